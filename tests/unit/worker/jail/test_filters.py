"""What the filters answer, on both architectures and without a kernel: the worker's always on top of the zygote's."""

from errno import ENOSYS, EPERM

import pytest

from dspex.isolation.copying import COPY_FLAGS
from dspex.worker.jail import bpf, filters
from dspex.worker.jail.syscalls import ARCHITECTURES, NUMBERS, Architecture
from tests.unit.worker.jail.simulator import verdict_of_all

REFUSED = bpf.REFUSED | EPERM
DEADLY = [
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "bpf",
    "userfaultfd",
    "io_uring_setup",
    "keyctl",
    "add_key",
    "mount",
    "pivot_root",
    "unshare",
    "setns",
    "execve",
    "execveat",
    "perf_event_open",
    "open_by_handle_at",
    "init_module",
    "kexec_load",
]
FORK, THREAD, NEW_USER = 0x01200011, 0x003D0F00, 0x10000000

machines = pytest.mark.parametrize("here", ARCHITECTURES.values(), ids=ARCHITECTURES)


def _ask(filters_armed: list[bpf.Block], here: Architecture, call: str, *arguments: int) -> int:
    number = here.number(call)
    assert number is not None, f"{here.name} has no {call}"
    return verdict_of_all(filters_armed, here, number, arguments)


def _worker(here: Architecture, **leave: bool) -> list[bpf.Block]:
    return [filters.zygote(here), filters.worker(here, **leave)]


@machines
@pytest.mark.parametrize("call", DEADLY)
def test_what_only_an_attack_would_call_is_death_for_all(here: Architecture, call: str) -> None:
    for armed in ([filters.keeper(here)], [filters.zygote(here)], _worker(here)):
        assert _ask(armed, here, call) == bpf.KILLED


@machines
def test_a_worker_may_do_nothing_that_its_zygote_may_not(here: Architecture) -> None:
    zygote, worker = [filters.zygote(here)], _worker(here)
    for number in range(700):
        if verdict_of_all(zygote, here, number) != bpf.ALLOWED:
            assert verdict_of_all(worker, here, number) == verdict_of_all(zygote, here, number)


@machines
def test_a_worker_may_make_these_calls_and_no_other(here: Architecture) -> None:
    names = {column: name for name in NUMBERS if (column := NUMBERS[name][here.column]) is not None}
    allowed = {
        number
        for number in range(700)
        if verdict_of_all(_worker(here), here, number) == bpf.ALLOWED
    }
    assert sorted(names[number] for number in allowed) == sorted(
        name
        for name in [
            "alarm",
            "brk",
            "lseek",
            "clock_getres",
            "clock_gettime",
            "clock_nanosleep",
            "close",
            "epoll_ctl",
            "epoll_pwait",
            "epoll_pwait2",
            "epoll_wait",
            "exit",
            "exit_group",
            "fstat",
            "futex",
            "getcpu",
            "getegid",
            "geteuid",
            "getgid",
            "getitimer",
            "getpeername",
            "getpid",
            "getppid",
            "getrandom",
            "getrlimit",
            "getrusage",
            "getsockname",
            "gettid",
            "gettimeofday",
            "getuid",
            "madvise",
            "membarrier",
            "mmap",
            "mprotect",
            "mremap",
            "munmap",
            "nanosleep",
            "poll",
            "ppoll",
            "prlimit64",
            "pselect6",
            "read",
            "readv",
            "recvfrom",
            "recvmsg",
            "restart_syscall",
            "rseq",
            "rt_sigaction",
            "rt_sigpending",
            "rt_sigprocmask",
            "rt_sigreturn",
            "rt_sigtimedwait",
            "sched_getaffinity",
            "sched_yield",
            "select",
            "sendto",
            "set_robust_list",
            "set_tid_address",
            "setitimer",
            "shutdown",
            "sigaltstack",
            "time",
            "times",
            "write",
            "writev",
        ]
        if here.number(name) is not None
    )


@machines
@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        ("mmap", (0, 4096, 3), bpf.ALLOWED),
        ("mmap", (0, 4096, 5), REFUSED),
        ("mprotect", (0, 4096, 7), REFUSED),
        ("madvise", (0, 4096, 23), bpf.ALLOWED),
        ("madvise", (0, 4096, 100), REFUSED),
        ("sendto", (3, 1, 1, 0, 0, 0), bpf.ALLOWED),
        ("sendto", (3, 1, 1, 0, 1 << 40, 16), REFUSED),
        ("sendmsg", (3, 1, 0), REFUSED),
        ("getsockopt", (3, 1, 3), bpf.ALLOWED),
        ("getsockopt", (3, 0, 64), REFUSED),
        ("ioctl", (3, 0x5421), bpf.ALLOWED),
        ("ioctl", (0, 0x5412), REFUSED),
        ("fcntl", (3, 4, 0), bpf.ALLOWED),
        ("fcntl", (3, 0, 0), REFUSED),
        ("fcntl", (3, 8, 1), REFUSED),
        ("prlimit64", (0, 7, 0), bpf.ALLOWED),
        ("prlimit64", (0, 7, 1), REFUSED),
        ("prlimit64", (1, 7, 0), REFUSED),
        ("prctl", (15,), REFUSED),
        ("tgkill", (bpf.SELF, 1, 6), bpf.ALLOWED),
        ("tgkill", (1, 1, 9), REFUSED),
        ("kill", (1, 9), REFUSED),
        ("clone", (FORK,), REFUSED),
        ("clone", (THREAD,), REFUSED),
        ("clone3", (), bpf.REFUSED | ENOSYS),
        ("socket", (1, 1, 0), REFUSED),
        ("openat", (), REFUSED),
        ("seccomp", (1,), REFUSED),
        ("memfd_create", (), REFUSED),
        ("newfstatat", (3, 1, 1, 0x1000), REFUSED),
        ("landlock_restrict_self", (3,), REFUSED),
    ],
)
def test_arguments_decide_for_a_worker(
    here: Architecture, call: str, arguments: tuple[int, ...], answer: int
) -> None:
    assert _ask(_worker(here), here, call, *arguments) == answer


@machines
def test_leave_is_given_for_one_thing_at_a_time(here: Architecture) -> None:
    threading = _worker(here, may_start_threads=True)
    assert _ask(threading, here, "clone", THREAD) == bpf.ALLOWED
    assert _ask(threading, here, "clone", FORK) == REFUSED
    assert _ask(_worker(here, may_send_fds=True), here, "sendmsg") == bpf.ALLOWED
    assert _ask(_worker(here, may_make_memory_files=True), here, "memfd_create") == bpf.ALLOWED


@machines
def test_a_worker_that_may_be_copied_asks_for_each_copy_and_may_do_no_more_than_others(
    here: Architecture,
) -> None:
    zygote, gate, own = (
        filters.zygote(here), filters.copy_gate(here), filters.worker(here, may_be_copied=True)
    )
    copyable = [zygote, gate, own]
    assert _ask(copyable, here, "clone", COPY_FLAGS) == bpf.ASKED
    for flags in (FORK, THREAD, 0, FORK | NEW_USER, COPY_FLAGS | NEW_USER, COPY_FLAGS | 0x100, 0x8000):
        assert _ask(copyable, here, "clone", flags) == REFUSED
    # Without the gate nobody would ask: its place is never left empty.
    assert _ask(_worker(here), here, "clone", COPY_FLAGS) == REFUSED
    # Its number in the filter would be that of its original.
    assert _ask(copyable, here, "tgkill", bpf.SELF) == REFUSED
    others = _worker(here)
    for call in NUMBERS:
        if NUMBERS[call][here.column] is not None and call not in {"clone", "dup3"}:
            more, same = _ask(copyable, here, call), _ask(others, here, call)
            assert more in {same, REFUSED}, call


@machines
@pytest.mark.parametrize(
    ("call", "arguments", "answer"),
    [
        ("clone", (FORK,), bpf.ALLOWED),
        ("clone", (FORK | NEW_USER,), REFUSED),
        ("socketpair", (1, 1, 0), bpf.ALLOWED),
        ("socketpair", (16, 3, 0), REFUSED),
        ("socket", (1, 1, 0), REFUSED),
        ("sendmsg", (), bpf.ALLOWED),
        ("pidfd_open", (), bpf.ALLOWED),
        ("prctl", (1, 9), bpf.ALLOWED),
        ("prctl", (4, 1), REFUSED),
        ("prctl", (22, 2), REFUSED),
        ("mmap", (0, 4096, 4), REFUSED),
        ("prlimit64", (0, 0, 1), bpf.ALLOWED),
        ("prlimit64", (9, 0, 1), REFUSED),
        ("openat", (), REFUSED),
        ("newfstatat", (3, 1, 1, 0x1000), bpf.ALLOWED),
        ("newfstatat", (3, 1, 1, 0), REFUSED),
    ],
)
def test_arguments_decide_for_a_zygote(
    here: Architecture, call: str, arguments: tuple[int, ...], answer: int
) -> None:
    assert _ask([filters.zygote(here)], here, call, *arguments) == answer


@machines
def test_a_keeper_can_only_wait(here: Architecture) -> None:
    armed = [filters.keeper(here)]
    assert _ask(armed, here, "wait4") == bpf.ALLOWED
    for call in ("clone", "kill", "sendto", "recvmsg", "openat", "socket"):
        assert _ask(armed, here, call) == REFUSED


@machines
def test_filters_stay_short(here: Architecture) -> None:
    # The kernel takes 4096 in one filter; a worker's is paid for by each worker, hence the low bound.
    assert len(filters.zygote(here)) < 400
    assert len(filters.worker(here)) < 150
