;; Two functions that the engine's own exports lack, merged into its module.
(module
  (import "main" "memory" (memory 1))
  (import "main" "qjs_is_job_pending" (func $pending (result i32)))
  (import "main" "qjs_execute_pending_job" (func $execute (result i32)))
  (import "main" "qjs_get_context_ptr" (func $context (result i32)))
  (import "main" "JS_SetUncatchableError" (func $set_uncatchable (param i32 i64)))

  ;; Runs jobs until none is left (0) or one was interrupted (-1): one call instead of two per job.
  (func (export "dspex_run_jobs") (result i32)
    (loop $next
      (if (i32.eqz (call $pending)) (then (return (i32.const 0))))
      (br_if $next (i32.ge_s (call $execute) (i32.const 0))))
    (i32.const -1))

  ;; Makes an error, given by its handle, one that no program can catch.
  (func (export "dspex_set_uncatchable") (param $handle i32)
    (call $set_uncatchable (call $context) (i64.load (local.get $handle)))))
