"""CPU-bound programs in JavaScript and Rust, and the smallest program of each other language.

What `benchmarks.programs` is for Python. The JavaScript uses nothing but the language, so the same
text runs in QuickJS and V8; clocks there may count whole milliseconds only, so `timed_javascript`
repeats a program until that does not matter.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Final

from benchmarks.programs import Code, Program

HELLO_WAT: Final = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "2\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 8))
    (i32.store (i32.const 4) (i32.const 2))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
"""
"""The smallest WebAssembly program with a result: it prints 2."""

HELLO_RUST: Final = 'fn main() { println!("{}", 1 + 1); }\n'
"""The smallest Rust program with a result: it prints 2."""

_JAVASCRIPT_TIMER: Final = """
var _times = [], _answer;
for (let round = 0; round <= {repeats}; round++) {{
  const start = Date.now();
  let calls = 0, spent = 0;
  do {{
    _answer = work();
    calls++;
    spent = Date.now() - start;
  }} while (spent < {least_ms});
  _times.push(spent / calls / 1000);
}}
"""

_RUST_TIMER: Final = """
fn opaque<T: Copy>(value: T) -> T {{
    unsafe {{ std::ptr::read_volatile(&value) }} // the compiler must not compute the answer
}}
fn main() {{
    let mut times = Vec::new();
    let mut answer = work();
    for _ in 0..{repeats} + 1 {{
        let start = std::time::Instant::now();
        answer = work();
        times.push(format!("{{:e}}", start.elapsed().as_secs_f64()));
    }}
    println!("[{{}}, [{{}}]]", answer, times.join(", "));
}}
"""


def timed_javascript(program: Program, *, repeats: int, least_ms: int = 40) -> Code:
    """Wrap a JavaScript program so that it times itself.

    Args:
        program: Its source defines `work()`.
        repeats: Rounds after the first, which warms up and is dropped by the caller.
        least_ms: How long one round calls `work()` again and again; a time is the mean of a round.

    Returns:
        Code whose value is `[answer, [seconds, ...]]` with `repeats + 1` times.

    Example:
        >>> timed_javascript(JAVASCRIPT[0], repeats=2).expression
        '[_answer, _times]'
    """
    timer = _JAVASCRIPT_TIMER.format(repeats=repeats, least_ms=least_ms)
    return Code(body=program.source + timer, expression="[_answer, _times]")


def timed_rust(program: Program, *, repeats: int) -> Code:
    """Wrap a Rust program so that it times itself and prints what `timed_javascript` returns.

    Args:
        program: Its source defines `work()`, whose answer is printed by `{}` as JSON.
        repeats: Calls after the first two.
    """
    return Code(body=program.source + _RUST_TIMER.format(repeats=repeats), expression="")


def _program(name: str, exercises: str, source: str) -> Program:
    return Program(name=name, exercises=exercises, source=dedent(source).lstrip("\n"))


JAVASCRIPT: Final = (
    _program(
        "fib",
        "function calls",
        """
        function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
        function work() { return fib(22); }
        """,
    ),
    _program(
        "loops",
        "integer arithmetic in nested loops",
        """
        function work() {
          let total = 0;
          for (let i = 0; i < 400; i++) {
            for (let j = 0; j < 400; j++) {
              if ((i ^ j) & 3) total += i * j % 7; else total -= j;
            }
          }
          return total;
        }
        """,
    ),
    _program(
        "json",
        "JSON, both ways",
        """
        const DOCUMENT = { name: "order", id: 12345, paid: true, note: null, lines: [] };
        for (let i = 0; i < 60; i++) {
          DOCUMENT.lines.push({ sku: "A-" + i, price: i * 1.25, tags: ["x", "y", "z"] });
        }
        function work() {
          let size = 0;
          for (let i = 0; i < 30; i++) {
            const text = JSON.stringify(DOCUMENT);
            size += text.length + JSON.parse(text).lines.length;
          }
          return size;
        }
        """,
    ),
    _program(
        "sort",
        "Array.sort with a comparison of the program's",
        """
        function work() {
          let value = 12345;
          const values = [];
          for (let i = 0; i < 6000; i++) {
            value = (value * 1103515 + 12345) % 2147483648;
            values.push(value);
          }
          const plain = values.slice().sort((a, b) => a - b);
          const keyed = values.slice().sort((a, b) => a % 1000 - b % 1000);
          return plain[1000] + keyed[keyed.length - 1] % 1000;
        }
        """,
    ),
    _program(
        "strings",
        "string building, splitting, templates",
        """
        function work() {
          const parts = [];
          for (let i = 0; i < 5000; i++) parts.push(`${String(i).padStart(5, "0")}:${i * 3}`);
          const text = parts.join(",");
          const words = text.toUpperCase().replace(/:/g, " : ").split(",");
          let longest = "";
          for (const word of words) if (word.trim().length > longest.length) longest = word;
          let grown = "";
          for (let i = 0; i < 3000; i++) grown += "ab";
          return text.length + words.length + longest.length + grown.length;
        }
        """,
    ),
    _program(
        "maps",
        "Map and Set traffic",
        """
        function work() {
          const counts = new Map();
          for (let i = 0; i < 20000; i++) {
            const key = i * 7919 % 4093;
            counts.set(key, (counts.get(key) || 0) + 1);
          }
          const seen = new Set();
          for (let i = 0; i < 8000; i++) seen.add("k" + i % 2000);
          let total = 0;
          for (const count of counts.values()) total += count;
          return counts.size + seen.size + total;
        }
        """,
    ),
    _program(
        "regex",
        "regular expressions",
        """
        const LINES = [];
        for (let i = 0; i < 200; i++) {
          LINES.push(`2024-03-${i % 28 + 1} 12:${i % 60}:00 GET /items/${i}?q=abc 200 ${i * 37}`);
        }
        const TEXT = LINES.join("\\n");
        function work() {
          let total = 0;
          for (const match of TEXT.matchAll(/(\\d+)-(\\d+)-(\\d+) [\\d:]+ (GET|POST) (\\S+) 200 (\\d+)/g)) {
            total += Number(match[6]);
          }
          return total + TEXT.replace(/[aeiou]/g, "*").length;
        }
        """,
    ),
    _program(
        "classes",
        "methods, getters, inheritance",
        """
        class Account {
          constructor(owner, balance) { this.owner = owner; this.balance = balance; }
          get rich() { return this.balance > 1000; }
          deposit(amount) { this.balance += amount; return this; }
        }
        class Savings extends Account {
          constructor(owner, balance, rate) { super(owner, balance); this.rate = rate; }
          deposit(amount) { return super.deposit(amount + Math.floor(amount / this.rate)); }
        }
        function work() {
          let total = 0;
          for (let i = 0; i < 5000; i++) {
            const account = i % 2 ? new Savings("o", i, 10) : new Account("o", i);
            account.deposit(25).deposit(75);
            total += account.rich ? account.balance : 1;
          }
          return total;
        }
        """,
    ),
    _program(
        "nbody",
        "floating-point arithmetic",
        """
        function work() {
          const bodies = [
            [0, 0, 0, 0, 0, 0, 39.47], [4.84, -1.16, -0.10, 0.60, 2.81, -0.02, 0.037],
            [8.34, 4.12, -0.40, -1.01, 1.82, 0.008, 0.011],
            [12.89, -15.11, -0.22, 1.08, 0.86, -0.01, 0.0017],
            [15.37, -25.9, 0.17, 0.97, 0.59, -0.03, 0.002],
          ];
          for (let step = 0; step < 300; step++) {
            for (let i = 0; i < 5; i++) {
              const one = bodies[i];
              for (let j = i + 1; j < 5; j++) {
                const two = bodies[j];
                const dx = one[0] - two[0], dy = one[1] - two[1], dz = one[2] - two[2];
                const squared = dx * dx + dy * dy + dz * dz;
                const force = 0.01 / (squared * Math.sqrt(squared));
                const pull = two[6] * force, push = one[6] * force;
                one[3] -= dx * pull; one[4] -= dy * pull; one[5] -= dz * pull;
                two[3] += dx * push; two[4] += dy * push; two[5] += dz * push;
              }
            }
            for (const body of bodies) {
              body[0] += 0.01 * body[3]; body[1] += 0.01 * body[4]; body[2] += 0.01 * body[5];
            }
          }
          let sum = 0;
          for (const body of bodies) sum += body[0];
          return Math.round(sum * 1e6) / 1e6;
        }
        """,
    ),
    _program(
        "sieve",
        "typed arrays",
        """
        function work() {
          const limit = 40000, composite = new Uint8Array(limit + 1);
          let count = 0, last = 0;
          for (let n = 2; n <= limit; n++) {
            if (composite[n]) continue;
            count++; last = n;
            for (let many = n * n; many <= limit; many += n) composite[many] = 1;
          }
          return count + last;
        }
        """,
    ),
)
"""In the order of the report."""

RUST: Final = (
    _program(
        "sieve",
        "memory and branches",
        """
        fn work() -> u64 {
            let limit = opaque(2_000_000u64);
            let mut composite = vec![false; limit as usize + 1];
            let (mut count, mut last) = (0, 0);
            for n in 2..=limit {
                if composite[n as usize] { continue; }
                count += 1;
                last = n;
                let mut many = n * n;
                while many <= limit { composite[many as usize] = true; many += n; }
            }
            count + last
        }
        """,
    ),
    _program(
        "nbody",
        "floating-point arithmetic",
        """
        fn work() -> i64 {
            let mut bodies = opaque([
                [0.0f64, 0.0, 0.0, 0.0, 0.0, 0.0, 39.47],
                [4.84, -1.16, -0.10, 0.60, 2.81, -0.02, 0.037],
                [8.34, 4.12, -0.40, -1.01, 1.82, 0.008, 0.011],
                [12.89, -15.11, -0.22, 1.08, 0.86, -0.01, 0.0017],
                [15.37, -25.9, 0.17, 0.97, 0.59, -0.03, 0.002],
            ]);
            for _ in 0..60_000 {
                for i in 0..5 {
                    for j in i + 1..5 {
                        let d: [f64; 3] = std::array::from_fn(|k| bodies[i][k] - bodies[j][k]);
                        let squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
                        let force = 0.01 / (squared * squared.sqrt());
                        let (pull, push) = (bodies[j][6] * force, bodies[i][6] * force);
                        for k in 0..3 {
                            bodies[i][3 + k] -= d[k] * pull;
                            bodies[j][3 + k] += d[k] * push;
                        }
                    }
                }
                for body in &mut bodies {
                    for k in 0..3 { body[k] += 0.01 * body[3 + k]; }
                }
            }
            (bodies.iter().map(|body| body[0]).sum::<f64>() * 1e3).round() as i64
        }
        """,
    ),
    _program(
        "words",
        "allocation, hashing, text",
        """
        fn work() -> usize {
            let mut counts = std::collections::HashMap::new();
            let mut text = String::new();
            for i in 0..opaque(60_000usize) {
                text.push_str(&format!("w{} ", i * 7919 % 4093));
            }
            for word in text.split_whitespace() {
                *counts.entry(word.to_string()).or_insert(0usize) += 1;
            }
            let mut words: Vec<_> = counts.into_iter().collect();
            words.sort();
            words.iter().map(|(word, count)| word.len() * count).sum()
        }
        """,
    ),
    _program(
        "calls",
        "function calls and integers",
        """
        #[inline(never)]
        fn fib(n: u32) -> u64 { if n < 2 { n as u64 } else { fib(n - 1) + fib(n - 2) } }
        fn work() -> u64 { fib(opaque(30)) }
        """,
    ),
)
"""In the order of the report."""
