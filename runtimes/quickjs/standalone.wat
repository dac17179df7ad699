;; The host of a program that is a module of its own: what `dspex.languages.javascript` answers from
;; outside is answered here with WASI preview 1, and `_start` does what it does in `_run`.
;;
;; Files, tools and variables are not there. The table, which the compiler of programs fills, holds i32:
;;   0 source, 4 its size, 8 file name, 12 flags of evaluation, 16 source of imports, 20 its size,
;;   24 address of Math.random's state, 28.. handles of start, next, publish, conclude, flush,
;;   48.. handles of the texts "ok", "raised", "unsettled".
(module
  (import "main" "memory" (memory 1))
  (import "main" "malloc" (func $malloc (param i32) (result i32)))
  (import "main" "free" (func $free (param i32)))
  (import "main" "qjs_eval" (func $eval (param i32 i32 i32 i32) (result i32)))
  (import "main" "qjs_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "main" "qjs_throw" (func $throw (param i32) (result i32)))
  (import "main" "qjs_new_string" (func $new_string (param i32 i32) (result i32)))
  (import "main" "qjs_get_string_len" (func $get_string (param i32 i32) (result i32)))
  (import "main" "qjs_free_cstring" (func $free_string (param i32)))
  (import "main" "qjs_free_value" (func $free_value (param i32)))
  (import "main" "qjs_get_undefined" (func $undefined (result i32)))
  (import "main" "qjs_is_undefined" (func $is_undefined (param i32) (result i32)))
  (import "main" "qjs_is_function" (func $is_function (param i32) (result i32)))
  (import "main" "qjs_is_exception" (func $is_exception (param i32) (result i32)))
  (import "main" "qjs_get_exception" (func $get_exception (result i32)))
  (import "main" "qjs_is_proxy" (func $is_proxy (param i32) (result i32)))
  (import "main" "qjs_get_proxy_target" (func $proxy_target (param i32) (result i32)))
  (import "main" "qjs_get_float64" (func $number (param i32) (result f64)))
  (import "main" "qjs_new_array_buffer" (func $new_buffer (param i32 i32) (result i32)))
  (import "main" "qjs_get_array_buffer" (func $get_buffer (param i32 i32) (result i32)))
  (import "main" "qjs_get_value_ptr" (func $identity (param i32) (result i32)))
  (import "main" "qjs_is_promise" (func $is_promise (param i32) (result i32)))
  (import "main" "qjs_promise_state" (func $promise_state (param i32) (result i32)))
  (import "main" "qjs_promise_result" (func $promise_result (param i32) (result i32)))
  (import "main" "qjs_is_job_pending" (func $pending (result i32)))
  (import "main" "qjs_execute_pending_job" (func $execute (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (global $table (mut i32) (i32.const 0))
  ;; Scratch: 0 size or result, 8 vector, 16 arguments of a call, 32 subscription (48), 80 event (32).
  (global $scratch (mut i32) (i32.const 0))
  ;; The first promise that was rejected and that nobody handles: its identity, and the reason.
  (global $rejected (mut i32) (i32.const 0))
  (global $reason (mut i32) (i32.const 0))
  (global $main (mut i32) (i32.const 0))

  (func (export "dspex_set_table") (param $table i32) (param $scratch i32)
    (global.set $table (local.get $table))
    (global.set $scratch (local.get $scratch)))

  (func $entry (param $at i32) (result i32)
    (i32.load (i32.add (global.get $table) (local.get $at))))

  (func $write (param $fd i32) (param $text i32) (result i32)
    (local $at i32) (local $start i32) (local $left i32) (local $vector i32)
    (local.set $start (call $get_string (local.get $text) (global.get $scratch)))
    (local.set $at (local.get $start))
    (local.set $left (i32.load (global.get $scratch)))
    (local.set $vector (i32.add (global.get $scratch) (i32.const 8)))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $left)))
        (i32.store (local.get $vector) (local.get $at))
        (i32.store offset=4 (local.get $vector) (local.get $left))
        (br_if $done (call $fd_write (local.get $fd) (local.get $vector) (i32.const 1) (global.get $scratch)))
        (local.set $at (i32.add (local.get $at) (i32.load (global.get $scratch))))
        (local.set $left (i32.sub (local.get $left) (i32.load (global.get $scratch))))
        (br $more)))
    (call $free_string (local.get $start))
    (call $undefined))

  ;; Reads one byte of standard input; -1 at its end.
  (func $read_byte (result i32)
    (local $vector i32)
    (local.set $vector (i32.add (global.get $scratch) (i32.const 8)))
    (i32.store (local.get $vector) (i32.add (global.get $scratch) (i32.const 16)))
    (i32.store offset=4 (local.get $vector) (i32.const 1))
    (if (call $fd_read (i32.const 0) (local.get $vector) (i32.const 1) (global.get $scratch)) (then (return (i32.const -1))))
    (if (i32.eqz (i32.load (global.get $scratch))) (then (return (i32.const -1))))
    (i32.load8_u (i32.add (global.get $scratch) (i32.const 16))))

  ;; Reads standard input to its end, or to the end of a line.
  (func $input (param $line i32) (result i32)
    (local $data i32) (local $size i32) (local $room i32) (local $byte i32) (local $larger i32)
    (local.set $room (i32.const 256))
    (local.set $data (call $malloc (local.get $room)))
    (block $end
      (loop $more
        (local.set $byte (call $read_byte))
        (br_if $end (i32.eq (local.get $byte) (i32.const -1)))
        (br_if $end (i32.and (local.get $line) (i32.eq (local.get $byte) (i32.const 10))))
        (if (i32.eq (local.get $size) (local.get $room))
          (then
            (local.set $larger (call $malloc (i32.mul (local.get $room) (i32.const 2))))
            (if (i32.eqz (local.get $larger)) (then (br $end)))
            (memory.copy (local.get $larger) (local.get $data) (local.get $size))
            (call $free (local.get $data))
            (local.set $data (local.get $larger))
            (local.set $room (i32.mul (local.get $room) (i32.const 2)))))
        (i32.store8 (i32.add (local.get $data) (local.get $size)) (local.get $byte))
        (local.set $size (i32.add (local.get $size) (i32.const 1)))
        (br $more)))
    (if (i32.eqz (local.get $line))
      (then (return (call $new_buffer (local.get $data) (local.get $size)))))
    (if (i32.and (i32.eqz (local.get $size)) (i32.eq (local.get $byte) (i32.const -1)))
      (then (return (call $undefined))))
    (call $new_string (local.get $data) (local.get $size)))

  ;; The strings of args_get or environ_get, each with its NUL, as one string.
  (func $strings (param $environ i32) (result i32)
    (local $count i32) (local $size i32) (local $at i32) (local $pointers i32)
    (if (local.get $environ)
      (then (drop (call $environ_sizes (global.get $scratch) (i32.add (global.get $scratch) (i32.const 4)))))
      (else (drop (call $args_sizes (global.get $scratch) (i32.add (global.get $scratch) (i32.const 4))))))
    (local.set $count (i32.load (global.get $scratch)))
    (local.set $size (i32.load offset=4 (global.get $scratch)))
    (local.set $pointers (call $malloc (i32.add (i32.mul (local.get $count) (i32.const 4)) (i32.const 4))))
    (local.set $at (call $malloc (i32.add (local.get $size) (i32.const 1))))
    (if (local.get $environ)
      (then (drop (call $environ_get (local.get $pointers) (local.get $at))))
      (else (drop (call $args_get (local.get $pointers) (local.get $at)))))
    (call $new_string (local.get $at) (local.get $size)))

  (func $random (param $count i32) (result i32)
    (local $at i32)
    (local.set $at (call $malloc (i32.add (local.get $count) (i32.const 1))))
    (drop (call $random_get (local.get $at) (local.get $count)))
    (call $new_buffer (local.get $at) (local.get $count)))

  (func $encode (param $text i32) (result i32)
    (local $at i32) (local $made i32)
    (local.set $at (call $get_string (local.get $text) (global.get $scratch)))
    (local.set $made (call $new_buffer (local.get $at) (i32.load (global.get $scratch))))
    (call $free_string (local.get $at))
    (local.get $made))

  (func $decode (param $buffer i32) (result i32)
    (local $at i32)
    (i32.store (global.get $scratch) (i32.const 0))
    (local.set $at (call $get_buffer (local.get $buffer) (global.get $scratch)))
    (call $new_string (local.get $at) (i32.load (global.get $scratch))))

  (func $compile (param $source i32) (param $name i32) (result i32)
    (local $code i32) (local $size i32) (local $file i32) (local $made i32)
    (local.set $code (call $get_string (local.get $source) (global.get $scratch)))
    (local.set $size (i32.load (global.get $scratch)))
    (local.set $file (call $get_string (local.get $name) (global.get $scratch)))
    (local.set $made (call $eval (local.get $code) (local.get $size) (local.get $file) (i32.const 0)))
    (call $free_string (local.get $code))
    (call $free_string (local.get $file))
    (if (call $is_exception (local.get $made))
      (then
        (drop (call $throw (call $get_exception)))
        (return (i32.const 0))))
    (local.get $made))

  (func $not_there (result i32)
    (i64.store offset=16 (global.get $scratch) (i64.const 0x005359534f4e4521))  ;; "!ENOSYS"
    (call $new_string (i32.add (global.get $scratch) (i32.const 16)) (i32.const 7)))

  (func (export "host_call") (param $name i32) (param $size i32) (param $this i32) (param $count i32) (param $given i32) (result i32)
    (local $letter i32) (local $first i32) (local $second i32)
    (local.set $letter (i32.load8_u (local.get $name)))
    (if (local.get $count) (then (local.set $first (i32.load (local.get $given)))))
    (if (i32.gt_u (local.get $count) (i32.const 1)) (then (local.set $second (i32.load offset=4 (local.get $given)))))
    (if (i32.eq (local.get $letter) (i32.const 0x6f)) (then (return (call $write (i32.const 1) (local.get $first)))))  ;; o
    (if (i32.eq (local.get $letter) (i32.const 0x65)) (then (return (call $write (i32.const 2) (local.get $first)))))  ;; e
    (if (i32.eq (local.get $letter) (i32.const 0x62)) (then (return (call $encode (local.get $first)))))  ;; b
    (if (i32.eq (local.get $letter) (i32.const 0x64)) (then (return (call $decode (local.get $first)))))  ;; d
    (if (i32.eq (local.get $letter) (i32.const 0x72))  ;; r
      (then (return (call $random (i32.trunc_sat_f64_u (call $number (local.get $first)))))))
    (if (i32.eq (local.get $letter) (i32.const 0x6c)) (then (return (call $input (i32.const 1)))))  ;; l
    (if (i32.eq (local.get $letter) (i32.const 0x69)) (then (return (call $input (i32.const 0)))))  ;; i
    (if (i32.eq (local.get $letter) (i32.const 0x76)) (then (return (call $compile (local.get $first) (local.get $second)))))  ;; v
    (if (i32.eq (local.get $letter) (i32.const 0x61)) (then (return (call $strings (i32.const 0)))))  ;; a
    (if (i32.eq (local.get $letter) (i32.const 0x6e)) (then (return (call $strings (i32.const 1)))))  ;; n
    (if (i32.eq (local.get $letter) (i32.const 0x66)) (then (return (call $not_there))))  ;; f
    (if (i32.eq (local.get $letter) (i32.const 0x78))  ;; x
      (then (call $proc_exit (i32.trunc_sat_f64_u (call $number (local.get $first))))))
    (if (i32.eq (local.get $letter) (i32.const 0x73))  ;; s
      (then
        (if (i32.eqz (call $is_promise (local.get $first))) (then (return (call $undefined))))
        (i32.store8 offset=16 (global.get $scratch) (i32.add (i32.const 0x30) (call $promise_state (local.get $first))))
        (return (call $new_string (i32.add (global.get $scratch) (i32.const 16)) (i32.const 1)))))
    (if (i32.eq (local.get $letter) (i32.const 0x75)) (then (return (call $promise_result (local.get $first)))))  ;; u
    (if (i32.eq (local.get $letter) (i32.const 0x70))  ;; p
      (then (if (call $is_proxy (local.get $first)) (then (return (call $proxy_target (local.get $first)))))))
    (call $undefined))

  (func (export "host_interrupt") (result i32) (i32.const 0))
  (func (export "host_get_timezone_offset") (param i32 i32) (result i32) (i32.const 0))

  (func (export "host_promise_rejection") (param $promise i32) (param $why i32) (param $handled i32)
    (local $mark i32)
    (local.set $mark (call $identity (local.get $promise)))
    (if (local.get $handled)
      (then
        (if (i32.eq (local.get $mark) (global.get $rejected)) (then (global.set $rejected (i32.const 0))))
        (return)))
    (if (i32.eqz (global.get $rejected))
      (then
        (global.set $rejected (local.get $mark))
        (global.set $reason (local.get $why)))))

  ;; Modules that are always there are known as "node:...".
  (func (export "host_module_normalize") (param $base i32) (param $name i32) (result i32)
    (local $size i32) (local $made i32) (local $skip i32)
    (loop $more
      (if (i32.load8_u (i32.add (local.get $name) (local.get $size)))
        (then
          (local.set $size (i32.add (local.get $size) (i32.const 1)))
          (br $more))))
    (local.set $made (call $malloc (i32.add (local.get $size) (i32.const 6))))
    (i32.store (local.get $made) (i32.const 0x65646f6e))  ;; "node"
    (i32.store8 offset=4 (local.get $made) (i32.const 0x3a))  ;; ":"
    (if (i32.ge_u (local.get $size) (i32.const 5))
      (then
        (if (i32.and (i32.eq (i32.load (local.get $name)) (i32.const 0x65646f6e))
                     (i32.eq (i32.load8_u offset=4 (local.get $name)) (i32.const 0x3a)))
          (then (local.set $skip (i32.const 5))))))
    (memory.copy (i32.add (local.get $made) (i32.const 5)) (i32.add (local.get $name) (local.get $skip))
      (i32.add (i32.sub (local.get $size) (local.get $skip)) (i32.const 1)))
    (local.get $made))
  (func (export "host_module_load") (param i32 i32) (result i32) (i32.const 0))

  (func $end (param $kind i32) (param $value i32)
    (local $code i32)
    (i32.store offset=16 (global.get $scratch) (call $entry (local.get $kind)))
    (i32.store offset=20 (global.get $scratch) (local.get $value))
    (local.set $code (i32.trunc_sat_f64_s (call $number (call $call
      (call $entry (i32.const 40)) (call $undefined) (i32.const 2) (i32.add (global.get $scratch) (i32.const 16))))))
    (if (local.get $code) (then (call $proc_exit (local.get $code)) (unreachable))))

  (func $fail (param $thrown i32)
    (call $end (i32.const 52) (local.get $thrown))
    (unreachable))

  (func $sleep (param $wait_ms f64)
    (local $at i32)
    (local.set $at (i32.add (global.get $scratch) (i32.const 32)))
    (memory.fill (local.get $at) (i32.const 0) (i32.const 80))
    (i32.store offset=16 (local.get $at) (i32.const 1))  ;; the monotonic clock
    (i64.store offset=24 (local.get $at) (i64.trunc_sat_f64_u (f64.add (f64.mul (local.get $wait_ms) (f64.const 1e6)) (f64.const 1))))
    (drop (call $poll (local.get $at) (i32.add (local.get $at) (i32.const 48)) (i32.const 1) (global.get $scratch))))

  ;; Runs jobs and timers until nothing is left, or the promise has failed; returns its result.
  (func $settle (param $promise i32) (param $until_quiet i32) (result i32)
    (local $next i32) (local $got i32)
    (global.set $main (call $identity (local.get $promise)))
    (loop $again
      (block $drained
        (loop $jobs
          (br_if $drained (i32.eqz (call $pending)))
          (br_if $jobs (i32.ge_s (call $execute) (i32.const 0)))
          (call $fail (call $get_exception))))
      (if (i32.eq (call $promise_state (local.get $promise)) (i32.const 2))
        (then (call $fail (call $promise_result (local.get $promise)))))
      (if (i32.and (i32.ne (global.get $rejected) (i32.const 0)) (i32.ne (global.get $rejected) (global.get $main)))
        (then (call $fail (global.get $reason))))
      (if (i32.eqz (local.get $until_quiet))
        (then
          (if (i32.eq (call $promise_state (local.get $promise)) (i32.const 1))
            (then (return (call $promise_result (local.get $promise)))))))
      (local.set $next (call $call (call $entry (i32.const 32)) (call $undefined) (i32.const 0) (global.get $scratch)))
      (if (call $is_function (local.get $next))
        (then
          (local.set $got (call $call (local.get $next) (call $undefined) (i32.const 0) (global.get $scratch)))
          (if (call $is_exception (local.get $got)) (then (call $fail (call $get_exception))))
          (call $free_value (local.get $got))
          (call $free_value (local.get $next))
          (br $again)))
      (if (i32.eqz (call $is_undefined (local.get $next)))
        (then
          (drop (call $call (call $entry (i32.const 44)) (call $undefined) (i32.const 0) (global.get $scratch)))
          (call $sleep (call $number (local.get $next)))
          (call $free_value (local.get $next))
          (br $again))))
    (if (i32.eqz (call $promise_state (local.get $promise)))
      (then (call $end (i32.const 56) (call $undefined)) (unreachable)))
    (call $promise_result (local.get $promise)))

  (func $evaluate (param $source i32) (param $size i32) (param $flags i32) (result i32)
    (local $promise i32)
    (local.set $promise (call $eval (local.get $source) (local.get $size) (call $entry (i32.const 8)) (local.get $flags)))
    (if (call $is_exception (local.get $promise)) (then (call $fail (call $get_exception))))
    (local.get $promise))

  (func (export "_start")
    (drop (call $random_get (call $entry (i32.const 24)) (i32.const 8)))
    (i32.store8 (call $entry (i32.const 24)) (i32.or (i32.load8_u (call $entry (i32.const 24))) (i32.const 1)))
    (drop (call $call (call $entry (i32.const 28)) (call $undefined) (i32.const 0) (global.get $scratch)))
    (if (call $entry (i32.const 20))
      (then
        (i32.store offset=16 (global.get $scratch)
          (call $settle (call $evaluate (call $entry (i32.const 16)) (call $entry (i32.const 20)) (i32.const 1)) (i32.const 0)))
        (drop (call $call (call $entry (i32.const 36)) (call $undefined) (i32.const 1) (i32.add (global.get $scratch) (i32.const 16))))))
    (drop (call $settle (call $evaluate (call $entry (i32.const 0)) (call $entry (i32.const 4)) (call $entry (i32.const 12))) (i32.const 1)))
    (call $end (i32.const 48) (call $undefined))))
