"""Which system calls a keeper, a zygote and a worker may make, and with which arguments.

Three answers: allowed; refused with EPERM, which any program survives; and death by SIGSYS for calls that only an
attack would make. What is on no list is refused. All code is mapped before a filter is armed, so none may ask for
executable memory afterwards; but for languages whose programs are compiled or loaded in the worker, until it is
sealed. The kernel's side of it is `dspex.worker.jail.seccomp`.
"""

import signal
from errno import ENOSYS, EPERM
from typing import Final

from dspex.isolation.copying import COPY_FLAGS
from dspex.worker.jail.bpf import (
    SELF,
    Block,
    allow,
    ask,
    assemble,
    assemble_over,
    if_any_bit,
    if_below,
    if_null,
    if_one_of,
    kill,
    lets_through,
    refuse,
)
from dspex.worker.jail.syscalls import NUMBERS, Architecture

_DENIED: Final = refuse(EPERM)
_PROT_EXEC: Final = 0x4
_PROT_WRITE: Final = 0x2
_PR_SET_MDWE: Final = 65
_AF_UNIX: Final = 1
_SOL_SOCKET: Final = 1
_ADVICE_FOR_ROOT: Final = 100
_FORK_FLAGS: Final = (0x01200000 | int(signal.SIGCHLD), int(signal.SIGCHLD))
"""CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID and SIGCHLD: what fork() of glibc asks for; and musl's."""
_THREAD_FLAGS: Final = (0x003D0F00, 0x007D0F00)
"""What pthread_create() of glibc and of musl ask for: nothing with a namespace in it."""
_IOCTLS: Final = (0x5421, 0x5450, 0x5451, 0x541B)
"""FIONBIO, FIONCLEX, FIOCLEX, FIONREAD."""
_FD_FLAGS: Final = (1, 2, 3, 4)
"""F_GETFD, F_SETFD, F_GETFL, F_SETFL."""
_FD_COPIES: Final = (0, 1030, 1033, 1034)
"""F_DUPFD, F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS."""
_AT_EMPTY_PATH: Final = 0x1000
_PRCTLS: Final = (1, 3, 15, 16, 21, 39)
"""PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS."""

_EVERYONE: Final = """
    read write readv writev close fstat poll ppoll select pselect6 munmap brk mremap futex set_robust_list rseq
    set_tid_address restart_syscall rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait rt_sigpending
    sigaltstack clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom getpid gettid
    getppid getuid geteuid getgid getegid getrusage times getcpu sched_yield sched_getaffinity membarrier exit
    exit_group getrlimit
""".split()  # noqa: SIM905 - as a list it would fill a screen, one name a line
_WORKER: Final = """
    recvfrom recvmsg shutdown getsockname getpeername epoll_ctl epoll_wait epoll_pwait epoll_pwait2 lseek setitimer getitimer alarm
""".split()  # noqa: SIM905 - as a list it would fill a screen, one name a line
_ZYGOTE: Final = """
    sendmsg wait4 waitid pidfd_open pidfd_send_signal kill pipe2 dup dup2 dup3 memfd_create ftruncate pread64
    pwrite64 epoll_create1 eventfd2 setrlimit seccomp close_range sched_setaffinity getpgid getpgrp getsid
    getresuid getresgid rt_sigsuspend sched_get_priority_max sched_get_priority_min
""".split()  # noqa: SIM905 - as a list it would fill a screen, one name a line
_TOOL: Final = """
    open openat openat2 stat lstat statx newfstatat access faccessat faccessat2 readlink readlinkat getdents64 getcwd
    chdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat ftruncate
    truncate fallocate fchmod fchmodat chmod fsync fdatasync flock fcntl lseek pread64 pwrite64 preadv pwritev
    copy_file_range sendfile fadvise64 statfs fstatfs utimensat umask pipe pipe2 dup dup2 dup3 eventfd2 epoll_create1
    epoll_ctl epoll_wait epoll_pwait mmap mprotect vfork fork execve wait4 waitid kill tgkill pidfd_open
    pidfd_send_signal uname sysinfo getpgid getpgrp getsid setpgid setsid getgroups getresuid getresgid getpriority
    sched_getparam sched_getscheduler sched_setaffinity sched_get_priority_max sched_get_priority_min get_mempolicy
    arch_prctl close_range setitimer getitimer alarm rt_sigsuspend sendmsg recvmsg recvfrom sendto
""".split()  # noqa: SIM905 - as a list it would fill a screen, one name a line
_NAMESPACE_FLAGS: Final = 0x7E020000
_TOOL_IOCTLS: Final = (0x5401, 0x5413)
"""TCGETS, TIOCGWINSZ: whether this is a terminal."""
_DEADLY: Final = """
    ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd bpf perf_event_open userfaultfd
    io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key mount umount2 move_mount open_tree
    fsopen fsconfig fsmount fspick mount_setattr pivot_root chroot unshare setns open_by_handle_at
    name_to_handle_at execve execveat kexec_load kexec_file_load init_module finit_module delete_module reboot
    swapon swapoff acct quotactl quotactl_fd settimeofday clock_settime adjtimex clock_adjtime sethostname
    setdomainname iopl ioperm personality vhangup syslog fanotify_init modify_ldt memfd_secret uselib
    lookup_dcookie vmsplice
""".split()  # noqa: SIM905 - as a list it would fill a screen, one name a line


def _allowed_always(names: list[str]) -> dict[str, Block]:
    return dict.fromkeys(names, allow())


def _shared() -> dict[str, Block]:
    verdicts = {name: kill() for name in _DEADLY} | _allowed_always(_EVERYONE)
    # Answering "no such call" makes the C library fall back to clone, whose flags a filter can read.
    verdicts["clone3"] = refuse(ENOSYS)
    verdicts["mmap"] = if_any_bit(2, _PROT_EXEC, _DENIED, allow())
    verdicts["mprotect"] = if_any_bit(2, _PROT_EXEC, _DENIED, allow())
    verdicts["madvise"] = if_below(2, _ADVICE_FOR_ROOT, allow(), _DENIED)
    verdicts["prlimit64"] = if_one_of(0, (0,), if_null(2, allow(), _DENIED), _DENIED)
    return verdicts


def _talking() -> dict[str, Block]:
    verdicts = _allowed_always(_WORKER)
    # An address would let a datagram leave for somewhere else than the socket's own peer.
    verdicts["sendto"] = if_null(4, allow(), _DENIED)
    verdicts["getsockopt"] = if_one_of(1, (_SOL_SOCKET,), allow(), _DENIED)
    verdicts["ioctl"] = if_one_of(1, _IOCTLS, allow(), _DENIED)
    verdicts["fcntl"] = if_one_of(1, _FD_FLAGS, allow(), _DENIED)
    return verdicts


def tool(architecture: Architecture) -> Block:
    """Build the filter of a compiler and all that it starts: files, threads and programs, but nothing to talk to.

    Which files there are, is for the mounts and Landlock. Sockets come in pairs only.
    """
    verdicts = _shared() | _allowed_always(_TOOL)
    verdicts["clone"] = if_any_bit(0, _NAMESPACE_FLAGS, _DENIED, allow())
    verdicts["socketpair"] = if_one_of(0, (_AF_UNIX,), allow(), _DENIED)
    verdicts["sendto"] = if_null(4, allow(), _DENIED)
    verdicts["ioctl"] = if_one_of(1, _IOCTLS + _TOOL_IOCTLS, allow(), _DENIED)
    verdicts["prctl"] = if_one_of(0, _PRCTLS, allow(), _DENIED)
    verdicts["prlimit64"] = if_one_of(0, (0,), allow(), _DENIED)
    return _assembled(architecture, verdicts)


def keeper(architecture: Architecture) -> Block:
    """Build the filter of the process outside the pid namespace, which only waits for two deaths."""
    return _assembled(architecture, _shared() | _allowed_always(["wait4", "waitid"]))


def _fstat() -> Block:
    """Let fstat() of recent C libraries through.

    The path that is meant to be empty cannot be looked at, so this opens stat() by path too: for that there is the
    empty root alone. Hence it is not for every worker.
    """
    return if_one_of(3, (_AT_EMPTY_PATH,), allow(), _DENIED)


def zygote(architecture: Architecture, *, may_load_code: bool = False) -> Block:
    """Build the filter of the warm parent: it forks, passes descriptors on and arms its children.

    Args:
        architecture: Machine to build for.
        may_load_code: Leave it to its workers to make memory executable that is not writable.
    """
    return _assembled(architecture, _zygote(may_load_code=may_load_code))


def _loading_code() -> dict[str, Block]:
    """Return the verdicts of who may still load code, and then seal itself."""
    written = if_any_bit(2, _PROT_WRITE, _DENIED, allow())
    return {
        "mprotect": if_any_bit(2, _PROT_EXEC, written, allow()),
        "seccomp": allow(),
        "prctl": if_one_of(0, (*_PRCTLS, _PR_SET_MDWE), allow(), _DENIED),
    }


def sealed(architecture: Architecture) -> Block:
    """Build the filter that a worker puts on top of its own when its code is loaded: no other from then on."""
    no_code = if_any_bit(2, _PROT_EXEC, _DENIED, allow())
    verdicts = {"mmap": no_code, "mprotect": no_code, "seccomp": _DENIED, "prctl": _DENIED}
    return assemble(architecture, _numbered(architecture, verdicts), allow())


def _zygote(*, may_load_code: bool = False) -> dict[str, Block]:
    verdicts = _shared() | _talking() | _allowed_always(_ZYGOTE)
    verdicts["clone"] = if_one_of(0, (*_FORK_FLAGS, *_THREAD_FLAGS, COPY_FLAGS), allow(), _DENIED)
    verdicts["socketpair"] = if_one_of(0, (_AF_UNIX,), allow(), _DENIED)
    verdicts["fcntl"] = if_one_of(1, _FD_FLAGS + _FD_COPIES, allow(), _DENIED)
    verdicts["prctl"] = if_one_of(0, _PRCTLS, allow(), _DENIED)
    verdicts["prlimit64"] = if_one_of(0, (0,), allow(), _DENIED)
    verdicts["newfstatat"] = _fstat()
    verdicts["tgkill"] = allow()
    verdicts["landlock_restrict_self"] = allow()
    if may_load_code:
        verdicts |= _loading_code()
    return verdicts


def worker(
    architecture: Architecture,
    *,
    may_be_copied: bool = False,
    may_start_threads: bool = False,
    may_send_fds: bool = False,
    may_make_memory_files: bool = False,
    may_load_code: bool = False,
) -> Block:
    """Build the filter that a worker arms on top of its zygote's: compute, and talk over inherited sockets.

    The kernel takes the stricter verdict of the two, so calls that the zygote may not make either need no verdict
    here; leaving them out makes the filter, which every worker pays for, a third as long.

    Args:
        architecture: Machine to build for.
        may_be_copied: Keep clone() for a copy of the whole process, for sessions that are forked: only below
            `copy_gate`, which asks the supervisor each time. A copy shares its original's number here and its
            Landlock domain, so neither may signal even itself; and dup3(), to lay aside what both still share.
        may_start_threads: Keep pthread_create(); a thread started before arming needs no leave.
        may_send_fds: Keep sendmsg(), which can hand descriptors to the other side.
        may_make_memory_files: Keep memfd_create(), for a guest's interrupt page, and fstat(), which CPython does
            on it; RLIMIT_FSIZE bounds each file.
        may_load_code: Keep making memory executable, as long as it is not writable, and sealing that.
    """
    verdicts = _shared() | _talking()
    flags = (COPY_FLAGS,) * may_be_copied + _THREAD_FLAGS * may_start_threads
    if flags:
        verdicts["clone"] = if_one_of(0, flags, allow(), _DENIED)
    if may_send_fds:
        verdicts["sendmsg"] = allow()
    if may_make_memory_files:
        verdicts["memfd_create"] = allow()
        verdicts["newfstatat"] = _fstat()
    # abort() and raise() signal the own process; the number is put in when the filter is armed.
    if may_be_copied:
        verdicts["dup3"] = allow()
    else:
        verdicts["tgkill"] = if_one_of(0, (SELF,), allow(), _DENIED)
    if may_load_code:
        verdicts |= _loading_code()
    above = _zygote(may_load_code=may_load_code)
    stricter: dict[str, Block] = {}
    for name, ceiling in above.items():
        if ceiling == kill():
            continue
        block = verdicts.get(name, _DENIED)
        # What the zygote's filter already checks in the same way need not be checked twice. Of two error numbers
        # the kernel would take this one, so a refusal of its own has to be repeated.
        same_check = block == ceiling and lets_through(block)
        stricter[name] = allow() if same_check else block
    return assemble_over(architecture, _numbered(architecture, stricter))


def copy_gate(architecture: Architecture) -> Block:
    """Build the filter through which a session's worker asks whether it may copy itself, and nothing else."""
    verdicts = {"clone": if_one_of(0, (COPY_FLAGS,), ask(), _DENIED)}
    return assemble(architecture, _numbered(architecture, verdicts), allow())


def _assembled(architecture: Architecture, verdicts: dict[str, Block]) -> Block:
    return assemble(architecture, _numbered(architecture, verdicts), _DENIED)


def _numbered(architecture: Architecture, verdicts: dict[str, Block]) -> dict[int, Block]:
    numbers = {name: NUMBERS[name][architecture.column] for name in verdicts}
    return {number: verdicts[name] for name, number in numbers.items() if number is not None}
