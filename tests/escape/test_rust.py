"""Ways out through the compiler: what a Rust program reads, runs or burns before it has run at all.

`CANARY` stands for the canary's file in each program. A program that compiles is run, too.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

import dspex
from dspex.runtimes import rust
from tests.escape.canary import ENV_NAME, Canary
from tests.escape.ending import Attempt, ending, names
from tests.rust.toolchain import needs_toolchain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.escape.ending import Attack

pytestmark = needs_toolchain

ABSENT = "No such file or directory (os error 2)"


@pytest.fixture(scope="module")
def engine(canary: Canary) -> Iterator[dspex.Engine]:
    """Start an engine for Rust, and Python for the check after each attack."""
    with dspex.Engine(policy="compute", languages=["rust", "python"], idle_max=2) as engine:
        yield engine


def reading(path: str, *, by: str = "include_str!") -> Attempt:
    """Return a program that takes a file of the host into itself."""
    source = f'const LEAK: &[u8] = {by}("{path}");' if by != "include_str!" else f'const LEAK: &str = {by}("{path}");'
    return Attempt(f"{by} {path}", f'{source}\nfn main() {{ println!("{{:?}}", LEAK); }}', path)


FILES = [
    reading("CANARY"),
    reading("CANARY", by="include_bytes!"),
    reading("/etc/passwd"),
    reading("/etc/hostname"),
    reading("/etc/ld.so.cache"),
    reading("/proc/self/environ"),
    reading("/proc/self/cmdline"),
    reading("/proc/self/maps"),
    reading("/proc/1/environ"),
    reading("/proc/version"),
    reading("/proc/cpuinfo"),
    reading("/sys/class/net/eth0/address"),
    reading("/dev/mem"),
    reading("/dev/stdin"),
    reading("/dev/fd/0"),
    reading("/usr/lib/os-release"),
    reading("../../../../../../etc/passwd"),
    reading("/tmp/../etc/shadow"),
    reading("/root/.bashrc"),
    reading("/var/run/secrets/kubernetes.io/serviceaccount/token"),
]

ENVIRONMENT = [
    Attempt("the canary's variable", f'fn main() {{ println!("{{}}", env!("{ENV_NAME}")); }}', f"error: environment variable `{ENV_NAME}` not defined"),
    Attempt("home", 'fn main() { println!("{}", env!("HOME")); }', "error: environment variable `HOME` not defined"),
    Attempt("the user", 'fn main() { println!("{}", env!("USER")); }', "error: environment variable `USER` not defined"),
    Attempt("cargo's", 'fn main() { println!("{}", env!("CARGO_MANIFEST_DIR")); }', "error: environment variable `CARGO_MANIFEST_DIR` not defined"),
]  # fmt: skip

COMPILER = [
    Attempt("a module elsewhere", '#[path = "CANARY"]\nmod leak;\nfn main() {}', "error: couldn't read"),
    Attempt("passwords as a module", '#[path = "/etc/passwd"]\nmod leak;\nfn main() {}', "error: couldn't read"),
    Attempt("a folder as a module", '#[path = "/etc"]\nmod leak;\nfn main() {}', "error: couldn't read"),
    Attempt("included code", 'include!("/etc/passwd");\nfn main() {}', "error: couldn't read"),
    Attempt("an attribute that includes", '#![doc = include_str!("CANARY")]\nfn main() {}', "error: couldn't read"),
    Attempt("a procedural macro of its own", "extern crate proc_macro;\n#[proc_macro]\npub fn m(t: proc_macro::TokenStream) -> proc_macro::TokenStream { t }\nfn main() {}", "error: the `#[proc_macro]` attribute is only usable with crates of the `proc-macro` crate type"),
    Attempt("another crate type", '#![crate_type = "proc-macro"]\nfn main() {}', "error"),
    Attempt("a native library", '#[link(name = "c_of_the_host", kind = "static")]\nextern "C" { fn system(command: *const u8) -> i32; }\nfn main() { unsafe { system(b"id\\0".as_ptr()); } }', "error"),
    Attempt("a linker argument", "#![feature(link_args)]\nfn main() {}", "error"),
    Attempt("inline assembly of the host", 'fn main() { unsafe { core::arch::asm!("syscall"); } }', "error"),
    Attempt("a compiler plugin", "#![feature(plugin)]\n#![plugin(evil)]\nfn main() {}", "error"),
    Attempt("unstable features", "#![feature(rustc_private)]\nextern crate rustc_driver;\nfn main() {}", "error"),
]  # fmt: skip

BURNERS = [
    Attempt("a recursion limit of its own", '#![recursion_limit = "100000000"]\nmacro_rules! m { ($($t:tt)*) => { m!($($t)* x) } }\nfn main() { m!(); }', ""),
    Attempt("a constant without end", 'const N: u64 = { let mut n = 0u64; loop { n = n.wrapping_add(1); if n == u64::MAX { break; } } n };\nfn main() { println!("{}", N); }', ""),
    Attempt("a macro that doubles", "macro_rules! d { ($($t:tt)*) => { d!($($t)* $($t)*) } }\nfn main() { d!(x x x x); }", ""),
    Attempt("types that explode", "struct S<T>(T);\ntrait G { fn go(&self); }\nimpl<T> G for S<T> where S<S<T>>: G { fn go(&self) {} }\nfn main() { S(1u8).go(); }", ""),
    Attempt("a huge constant", 'static BIG: [u8; 1 << 33] = [1; 1 << 33];\nfn main() { println!("{}", BIG[std::env::args().count()]); }', ""),
    Attempt("a huge array of text", "const A: &str = concat!(" + ", ".join(['"' + "x" * 1000 + '"'] * 3000) + ');\nfn main() { println!("{}", A.len()); }', ""),
    Attempt("deep nesting", "fn main() { let _ = " + "(" * 20_000 + "1" + ")" * 20_000 + "; }", ""),
    Attempt("many errors", "fn main() {\n" + "x;\n" * 20_000 + "}", ""),
]  # fmt: skip


def placed(code: str, canary: Canary) -> str:
    return code.replace("CANARY", str(canary.file))


def refused(outcome: dspex.Outcome) -> str:
    assert outcome.status == "refused", (outcome.error, outcome.stdout[:200])
    assert outcome.error is not None
    return outcome.error.findings[0].message


@pytest.mark.parametrize("attempt", FILES, ids=names(FILES))
def test_no_file_of_the_host_can_be_taken_into_a_program(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    message = refused(attack(placed(attempt.code, canary), language="rust"))

    assert message.startswith("error: couldn't read")
    assert ABSENT in message


@pytest.mark.parametrize("attempt", ENVIRONMENT, ids=names(ENVIRONMENT))
def test_no_variable_of_the_host_can_be_read(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert os.environ.get(ENV_NAME) or attempt.name != "the canary's variable"
    message = refused(attack(attempt.code, language="rust"))

    assert message.startswith(attempt.ending.partition("` not")[0])


@pytest.mark.parametrize("attempt", COMPILER, ids=names(COMPILER))
def test_the_compiler_cannot_be_turned_against_the_host(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    outcome = attack(placed(attempt.code, canary), language="rust")

    if attempt.name == "another crate type":
        # The command line's own crate type counts; the program's is passed over, or refused.
        assert outcome.status in {"ok", "refused"}
        return
    message = refused(outcome)
    assert message.startswith(attempt.ending)
    assert "root:x:" not in str(outcome.error.findings)


@pytest.mark.parametrize("attempt", BURNERS, ids=names(BURNERS))
def test_what_burns_the_compiler_has_its_time_and_memory_and_no_more(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, attempt: Attempt
) -> None:
    monkeypatch.setattr(rust, "WALL_S", 3.0)
    monkeypatch.setattr(rust, "CPU_S", 3)
    began = time.monotonic()

    outcome = attack(attempt.code, language="rust")

    assert outcome.status in {"refused", "ok"}, outcome.error
    assert time.monotonic() - began < 15
    if outcome.error is not None:
        assert 1 <= len(outcome.error.findings) <= 100


def test_nothing_is_compiled_where_there_is_no_jail(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = rust._PROGRAM.replace(
        "importlib.import_module(",
        "m = importlib.import_module('dspex.worker.tool'); m.landlock.open_ruleset = m.toolroot.enter = "
        "lambda *a: (_ for _ in ()).throw(OSError('taken away')); importlib.import_module(",
    )
    monkeypatch.setattr(rust, "_PROGRAM", program)

    with pytest.raises(dspex.LanguageUnavailable, match=r"no program is compiled without a jail.*empty_root or landlock"):
        attack(f'fn main() {{ println!("{time.time_ns()}"); }}', language="rust")


@pytest.mark.parametrize("taken", ["toolroot.enter", "landlock.open_ruleset"])
def test_one_wall_before_the_files_is_enough_to_keep_them_shut(
    attack: Attack, canary: Canary, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    program = rust._PROGRAM.replace(
        "importlib.import_module(",
        f"m = importlib.import_module('dspex.worker.tool'); m.{taken} = "
        "lambda *a: (_ for _ in ()).throw(OSError('taken away')); importlib.import_module(",
    )
    monkeypatch.setattr(rust, "_PROGRAM", program)
    nonce = time.time_ns()
    leak = attack(
        placed(f'fn main() {{ println!("{nonce}{{}}", include_str!("CANARY")); }}', canary),
        language="rust",
    )
    fine = attack(f'fn main() {{ println!("{nonce}"); }}', language="rust")

    assert refused(leak).startswith("error: couldn't read")
    assert fine.stdout == f"{nonce}\n"


def test_the_walls_around_the_compiler_are_those_that_the_machine_gives() -> None:
    armed, absent = rust.jail()

    assert {"clean_env", "closed_fds", "rlimits", "capabilities", "no_new_privs", "seccomp"} <= set(armed)
    assert {"empty_root", "landlock"} & set(armed)
    assert not set(armed) & set(absent)


def test_a_compiled_program_meets_the_same_walls_as_any_other(
    attack: Attack, canary: Canary
) -> None:
    source = placed(
        """
fn main() {
    println!("{:?}", std::fs::read("CANARY").is_err());
    println!("{:?}", std::fs::read_dir("/etc").is_err());
    println!("{:?}", std::net::TcpStream::connect("127.0.0.1:80").is_err());
    println!("{:?}", std::process::Command::new("/bin/sh").spawn().is_err());
    println!("{:?}", std::env::vars().count());
}""",
        canary,
    )
    outcome = attack(source, language="rust")

    assert outcome.stdout == "true\ntrue\ntrue\ntrue\n0\n"


def test_twin_ordinary_programs_compile_behind_the_same_walls(
    attack: Attack, canary: Canary
) -> None:
    source = """
use std::collections::HashMap;
macro_rules! square { ($x:expr) => { $x * $x } }
const fn triangle(n: u64) -> u64 { if n == 0 { 0 } else { n + triangle(n - 1) } }
const T: u64 = triangle(100);
trait Shape { fn area(&self) -> f64; }
struct Circle(f64);
impl Shape for Circle { fn area(&self) -> f64 { 3.0 * square!(self.0) } }
fn main() {
    let shapes: Vec<Box<dyn Shape>> = vec![Box::new(Circle(2.0))];
    let total: f64 = shapes.iter().map(|one| one.area()).sum();
    let mut seen: HashMap<&str, u64> = HashMap::new();
    seen.insert("t", T);
    println!("{} {:?} {:?}", total, seen, option_env!("HOME"));
}"""
    outcome = attack(source, language="rust")

    assert ending(outcome, canary) == "ok None"
    assert outcome.stdout == '12 {"t": 5050} None\n'
