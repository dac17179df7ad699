"""What native code would try if the interpreter had fallen: each way out as one function.

An attack returns evidence (a secret it could not have had, or a word for what it did) or raises OSError. `Scene`
says where on the host the canaries are; whether a signal arrived is for `arena` to see, on the victim's side. The
attacks aim only at canaries made for them and undo what they do.
"""

# ruff: noqa: PTH101, PTH108, PTH116, PTH123, PTH208 - attacks make the plain calls; pathlib is not loaded in a jail

import ctypes
import fcntl
import mmap
import os
import select
import signal
import socket
import struct
from collections.abc import Callable
from errno import EBADF, ENODATA
from typing import Any, NamedTuple

from dspex.worker.jail.syscalls import LIBC, failure, syscall

SECRET = b"canary-7f3a9c51"
KEY_NAME = b"dspex-canary"
SENT = "sent"
"""A signal's sender cannot know whether it arrived; the victim does."""


class Scene(NamedTuple):
    """Where the canaries are, as the host prepared them."""

    directory: str
    victim_pid: int
    victim_address: int
    victim_fd: int
    tcp_port: int
    udp_port: int
    abstract_name: str
    shm_key: int
    inherited_fd: int
    host_name: str
    neighbour_pid: int = 0
    neighbour_address: int = 0
    result_fd: int = -1


class Attack(NamedTuple):
    """One way out."""

    name: str
    run: Callable[[Scene], str]
    reaches_host: bool
    """True if success touches host data or processes; False if it only opens kernel code to further attack."""
    needs_root: bool = False
    """Without walls it works for root only, so an ordinary user's run proves nothing."""


ATTACKS: list[Attack] = []


def _attack(*, reaches_host: bool, needs_root: bool = False) -> Callable[[Any], Any]:
    def register(run: Callable[[Scene], str]) -> Callable[[Scene], str]:
        ATTACKS.append(Attack(run.__name__, run, reaches_host, needs_root))
        return run

    return register


def _seen(data: bytes) -> str:
    if SECRET not in data:
        raise OSError(ENODATA, "the canary is not in what was read")
    return SECRET.decode()


def _address(buffer: Any) -> int:
    return ctypes.addressof(buffer)


@_attack(reaches_host=True)
def read_file(scene: Scene) -> str:
    with open(f"{scene.directory}/secret", "rb") as file:
        return _seen(file.read())


@_attack(reaches_host=True)
def write_file(scene: Scene) -> str:
    path = f"{scene.directory}/open/written"
    with open(path, "wb") as file:
        file.write(b"x")
    os.unlink(path)
    return "written"


@_attack(reaches_host=True)
def stat_file(scene: Scene) -> str:
    return f"{os.stat(f'{scene.directory}/secret').st_size} bytes"


@_attack(reaches_host=True)
def stat_file_as_if_open(scene: Scene) -> str:
    # Looks like the fstat() of recent C libraries, but names a path.
    path = ctypes.create_string_buffer(f"{scene.directory}/secret".encode())
    buffer = ctypes.create_string_buffer(256)
    empty_path, here = 0x1000, -100
    syscall("newfstatat", here, _address(path), _address(buffer), empty_path)
    return "found"


@_attack(reaches_host=True)
def change_mode(scene: Scene) -> str:
    os.chmod(f"{scene.directory}/mine", 0o600)
    return "changed"


@_attack(reaches_host=True)
def change_times(scene: Scene) -> str:
    os.utime(f"{scene.directory}/mine", (0, 0))
    return "changed"


@_attack(reaches_host=True)
def list_root(_: Scene) -> str:
    names = os.listdir("/")
    if not names:
        raise OSError(ENODATA, "the root is empty")
    return f"{len(names)} names"


@_attack(reaches_host=True)
def read_victim_environment(scene: Scene) -> str:
    with open(f"/proc/{scene.victim_pid}/environ", "rb") as file:
        file.read()
    return "opened"


@_attack(reaches_host=True)
def read_victim_memory_file(scene: Scene) -> str:
    fd = os.open(f"/proc/{scene.victim_pid}/mem", os.O_RDONLY)
    return _seen(os.pread(fd, len(SECRET), scene.victim_address))


@_attack(reaches_host=True)
def read_own_environment(_: Scene) -> str:
    return _seen(" ".join(os.environ.values()).encode())


@_attack(reaches_host=True)
def read_mount_table(_: Scene) -> str:
    with open("/proc/self/mountinfo", "rb") as file:
        return f"{len(file.read())} bytes"


@_attack(reaches_host=True)
def use_inherited_descriptor(scene: Scene) -> str:
    # The number may belong to a silent pipe by now, and reading that would take forever.
    poll = select.poll()
    poll.register(scene.inherited_fd, select.POLLIN)
    if poll.poll(0) != [(scene.inherited_fd, select.POLLIN)]:
        raise OSError(EBADF, "there is nothing to read")
    return _seen(os.read(scene.inherited_fd, 64))


@_attack(reaches_host=True)
def steal_descriptor(scene: Scene) -> str:
    victim_fd = syscall("pidfd_open", scene.victim_pid, 0)
    stolen_fd = syscall("pidfd_getfd", victim_fd, scene.victim_fd, 0)
    return _seen(os.pread(stolen_fd, 64, 0))


@_attack(reaches_host=True)
def trace_victim(scene: Scene) -> str:
    seize, interrupt, detach = 0x4206, 0x4207, 17
    syscall("ptrace", seize, scene.victim_pid, 0, 0)
    syscall("ptrace", interrupt, scene.victim_pid, 0, 0)
    os.waitpid(scene.victim_pid, 0)
    syscall("ptrace", detach, scene.victim_pid, 0, 0)
    return "traced"


def _read_memory(pid: int, address: int) -> str:
    buffer = ctypes.create_string_buffer(len(SECRET))
    local = ctypes.create_string_buffer(struct.pack("=QQ", _address(buffer), len(SECRET)))
    remote = ctypes.create_string_buffer(struct.pack("=QQ", address, len(SECRET)))
    syscall("process_vm_readv", pid, _address(local), 1, _address(remote), 1, 0)
    return _seen(buffer.raw)


@_attack(reaches_host=True)
def read_victim_memory(scene: Scene) -> str:
    return _read_memory(scene.victim_pid, scene.victim_address)


@_attack(reaches_host=True)
def read_neighbour_memory(scene: Scene) -> str:
    return _read_memory(scene.neighbour_pid, scene.neighbour_address)


@_attack(reaches_host=True)
def signal_neighbour(scene: Scene) -> str:
    os.kill(scene.neighbour_pid, signal.SIGUSR2)
    return "delivered"


@_attack(reaches_host=True)
def signal_victim(scene: Scene) -> str:
    os.kill(scene.victim_pid, signal.SIGUSR1)
    return SENT


@_attack(reaches_host=True)
def signal_group(_: Scene) -> str:
    os.kill(0, signal.SIGUSR2)
    return SENT


@_attack(reaches_host=True, needs_root=True)
def join_victim_namespace(scene: Scene) -> str:
    victim_fd = syscall("pidfd_open", scene.victim_pid, 0)
    syscall("setns", victim_fd, 0x40000000)
    return "joined"


@_attack(reaches_host=True)
def connect_tcp(scene: Scene) -> str:
    with socket.socket() as client:
        client.connect(("127.0.0.1", scene.tcp_port))
        return _seen(client.recv(64))


@_attack(reaches_host=True)
def send_udp(scene: Scene) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1.0)
        client.sendto(b"?", ("127.0.0.1", scene.udp_port))
        return _seen(client.recv(64))


def _read_unix(name: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
        return _seen(client.recv(64))


@_attack(reaches_host=True)
def connect_abstract_socket(scene: Scene) -> str:
    return _read_unix("\0" + scene.abstract_name)


@_attack(reaches_host=True)
def connect_named_socket(scene: Scene) -> str:
    return _read_unix(f"{scene.directory}/open/socket")


@_attack(reaches_host=True)
def read_shared_memory(scene: Scene) -> str:
    # SysV calls are on no list of the jail, hence the C library's own functions.
    LIBC.shmat.restype = ctypes.c_void_p
    identifier = LIBC.shmget(scene.shm_key, 0, 0)
    if identifier < 0:
        raise failure("shmget")
    address = LIBC.shmat(identifier, None, 0o10000)
    if address in {None, ctypes.c_void_p(-1).value}:
        raise failure("shmat")
    return _seen(ctypes.string_at(address, len(SECRET)))


@_attack(reaches_host=True)
def read_session_key(_: Scene) -> str:
    search, read, session = 10, 11, -3
    kind, name = ctypes.create_string_buffer(b"user"), ctypes.create_string_buffer(KEY_NAME)
    key = syscall("keyctl", search, session, _address(kind), _address(name), 0)
    buffer = ctypes.create_string_buffer(64)
    syscall("keyctl", read, key, _address(buffer), 64)
    return _seen(buffer.raw)


@_attack(reaches_host=True)
def read_host_name(scene: Scene) -> str:
    name = os.uname().nodename
    if name != scene.host_name:
        raise OSError(ENODATA, f"only {name}")
    return name


@_attack(reaches_host=True)
def execute_program(scene: Scene) -> str:
    os.set_inheritable(scene.result_fd, True)
    os.execv("/bin/sh", ["sh", "-c", f"printf '\"executed\"' >&{scene.result_fd}"])


@_attack(reaches_host=True)
def start_process(_: Scene) -> str:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "forked"


@_attack(reaches_host=True, needs_root=True)
def become_root(_: Scene) -> str:
    os.setresuid(0, 0, 0)
    return "root"


@_attack(reaches_host=False, needs_root=True)
def change_root(_: Scene) -> str:
    os.chroot(".")
    return "changed"


@_attack(reaches_host=False)
def open_namespaces(_: Scene) -> str:
    syscall("unshare", 0x10000000 | 0x00020000)
    return "unshared"


@_attack(reaches_host=False)
def open_netlink(_: Scene) -> str:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW):
        return "opened"


@_attack(reaches_host=False)
def open_io_uring(_: Scene) -> str:
    parameters = ctypes.create_string_buffer(120)
    os.close(syscall("io_uring_setup", 4, _address(parameters)))
    return "opened"


@_attack(reaches_host=False)
def open_userfaultfd(_: Scene) -> str:
    user_mode_only = 1
    os.close(syscall("userfaultfd", user_mode_only | os.O_CLOEXEC))
    return "opened"


@_attack(reaches_host=False, needs_root=True)
def create_bpf_map(_: Scene) -> str:
    array, map_create = 2, 0
    attribute = ctypes.create_string_buffer(struct.pack("=IIIII", array, 4, 4, 1, 0), 120)
    os.close(syscall("bpf", map_create, _address(attribute), 120))
    return "created"


@_attack(reaches_host=False)
def open_perf_counter(_: Scene) -> str:
    software, size, exclude_kernel_and_hypervisor = 1, 64, 0b1100000
    head = struct.pack("=IIQQQQQ", software, size, 0, 0, 0, 0, exclude_kernel_and_hypervisor)
    attribute = ctypes.create_string_buffer(head, size)
    os.close(syscall("perf_event_open", _address(attribute), 0, -1, -1, 0))
    return "opened"


@_attack(reaches_host=False)
def write_new_code(_: Scene) -> str:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    return "mapped"


@_attack(reaches_host=False)
def grow_memory_file(_: Scene) -> str:
    fd = syscall("memfd_create", _address(ctypes.create_string_buffer(b"x")), 1)
    written = 0
    while written < 1 << 20:
        written += os.write(fd, b"x" * 65536)
    return f"{written} bytes"


@_attack(reaches_host=False)
def open_many_descriptors(scene: Scene) -> str:
    copies = [fcntl.fcntl(scene.result_fd, fcntl.F_DUPFD_CLOEXEC, 0) for _ in range(300)]
    return f"{len(copies)} copies"
