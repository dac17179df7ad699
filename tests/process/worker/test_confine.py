"""A confined zygote and its workers: what still works, who dies with whom, and what is refused."""

import json
import os
import select
import signal
import socket
import time
from pathlib import Path

import pytest
import wasmtime

from dspex.isolation.advice import missing
from dspex.isolation.layers import JAIL
from dspex.worker.jail.probe import available_layers
from tests.process.worker.jailed import STARTERS, TIMEOUT_S, run, start

starters = pytest.mark.parametrize("starter", STARTERS)


@starters
def test_every_wall_of_this_machine_stands_or_says_why(starter: str) -> None:
    lines = "armed = confine(spec); say(json.dumps(armed.report)); os._exit(0)"
    status, said, complaints = run(lines, starter=starter)
    assert (status, complaints) == (0, "")
    armed, absent, cost_us = json.loads(said)
    assert sorted([*armed, *absent]) == sorted(layer.value for layer in JAIL)
    assert all(absent.values())
    assert set(cost_us) == {layer.value for layer in JAIL}
    # What the doctor finds is what a zygote gets.
    if starter == STARTERS[0]:
        assert armed == [state.layer.value for state in available_layers() if state.available]


@starters
def test_a_worker_computes_in_a_guest_that_was_compiled_before(
    starter: str, tmp_path: Path
) -> None:
    engine = wasmtime.Engine()
    text = """(module (memory (export "m") 4) (data (i32.const 65536) "%s")
      (func (export "grow") (param i32) (result i32) local.get 0 memory.grow)
      (func (export "trap") unreachable))"""
    compiled = tmp_path / "guest.cwasm"
    compiled.write_bytes(wasmtime.Module(engine, text % ("A" * 70000)).serialize())
    first = f"""
import wasmtime
from dspex.worker.jail.surroundings import open_descriptors
engine = wasmtime.Engine()
before = open_descriptors()
module = wasmtime.Module.deserialize_file(engine, {str(compiled)!r})
spec = spec._replace(keep_fds=(1, 2, *(open_descriptors() - before)))
"""
    lines = """
armed = confine(spec)
assert not armed.report.absent, armed.report.absent
def guest():
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, module, []).exports(store)
    say(bytes(exports["m"].read(store, 65536, 65540)))
    say(exports["grow"](store, 100), exports["grow"](store, 16000))
    try:
        exports["trap"](store)
    except wasmtime.Trap as trap:
        say("trap", trap.trap_code.name)
say(in_worker(armed, guest, cpu_s=5, data_bytes=64 << 20))
os._exit(0)
"""
    # Growing by 1 GB fails softly: the worker may add 64 MB.
    expected = "b'AAAA'\n4 -1\ntrap UNREACHABLE\n0\n"
    assert run(lines, starter=starter, first=first) == (0, expected, "")


@starters
def test_a_zygote_passes_a_worker_on_as_descriptors(starter: str) -> None:
    ours, theirs = socket.socketpair()
    lines = f"""
control = socket.socket(fileno={theirs.fileno()})
armed = confine(spec._replace(keep_fds=(2, control.fileno())))
near, far = socket.socketpair()
pid = os.fork()
if pid == 0:
    control.close()
    near.close()
    confine_worker(armed)
    while data := far.recv(99):
        far.sendall(data.upper())
    os._exit(0)
handle = os.pidfd_open(pid)
control.sendmsg([b"forked"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [near.fileno(), handle]))])
near.close()
far.close()
control.sendall(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
os._exit(0)
"""
    with ours, start(lines, starter=starter, pass_fds=(theirs.fileno(),)) as process:
        theirs.close()
        ours.settimeout(TIMEOUT_S)
        word, (link_fd, handle), _, _ = socket.recv_fds(ours, 99, 2)
        with socket.socket(fileno=link_fd) as link:
            link.sendall(b"hello")
            assert (word, link.recv(99)) == (b"forked", b"HELLO")
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            assert link.recv(99) == b""
        os.close(handle)
        assert ours.recv(99) == b"-9"
        assert process.wait(TIMEOUT_S) == 0


@starters
def test_killing_the_started_process_kills_a_grandchild_in_a_session_of_its_own(
    starter: str,
) -> None:
    alive_fd, held_fd = os.pipe()
    lines = f"""
armed = confine(spec._replace(keep_fds=(1, 2, {held_fd}), without=(Layer.SECCOMP, Layer.RLIMITS)))
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        say("away")
        time.sleep({2 * TIMEOUT_S})
    os._exit(0)
time.sleep({2 * TIMEOUT_S})
"""
    with start(lines, starter=starter, pass_fds=(held_fd,)) as process:
        os.close(held_fd)
        assert process.stdout is not None
        assert process.stdout.readline() == "away\n"
        process.kill()
        # The pipe ends when the last process that holds it is dead.
        assert select.select([alive_fd], [], [], TIMEOUT_S)[0] == [alive_fd]
        assert os.read(alive_fd, 1) == b""
    os.close(alive_fd)


@starters
def test_a_worker_dies_with_the_keeper_even_without_a_pid_namespace(starter: str) -> None:
    lines = f"""
armed = confine(spec._replace(without=all_but(Layer.PARENT_DEATH_SIGNAL)))
if os.fork() == 0:
    confine_worker(armed)
    say("ready")
time.sleep({2 * TIMEOUT_S})
"""
    with start(lines, starter=starter) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        assert process.stdout.read() == ""


@starters
def test_everything_dies_with_the_process_that_started_it(starter: str) -> None:
    lines = f"""
if os.fork():
    sys.stdin.close()
    time.sleep({2 * TIMEOUT_S})
armed = confine(spec._replace(parent_pid=os.getppid()))
if os.fork() == 0:
    confine_worker(armed)
    say("ready")
time.sleep({2 * TIMEOUT_S})
"""
    with start(lines, starter=starter) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()
        assert process.stdout.read() == ""


@starters
def test_the_keeper_passes_on_how_the_zygote_ended(starter: str) -> None:
    assert run("confine(spec); os._exit(7)", starter=starter) == (7, "", "")
    killed = "confine(spec); ctypes.CDLL(None).unshare(0)"
    assert run(killed, starter=starter) == (128 + signal.SIGSYS, "", "")


@starters
def test_a_stopped_keeper_can_still_be_killed(starter: str) -> None:
    lines = f"confine(spec); say('ready'); time.sleep({2 * TIMEOUT_S})"
    with start(lines, starter=starter) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        process.kill()
        assert process.stdout.read() == ""
        assert process.wait(TIMEOUT_S) == -signal.SIGKILL


@starters
def test_a_zygote_whose_parent_is_another_does_not_start(starter: str) -> None:
    status, said, complaints = run("confine(spec._replace(parent_pid=1 << 22))", starter=starter)
    assert (status, said) == (1, "")
    assert complaints.endswith("[Errno 3] the process that started this one is gone\n")


@starters
def test_a_second_thread_is_refused_before_anything_is_armed(starter: str) -> None:
    first = "import threading; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    lines = """
try:
    confine(spec)
except RuntimeError as error:
    say(error, os.getsid(0) == os.getpid())
"""
    expected = "the jail needs a single thread, this process has 2 False\n"
    assert run(lines, starter=starter, first=first) == (0, expected, "")


@starters
@pytest.mark.parametrize(
    ("opened", "reason"),
    [
        ("os.open('/', os.O_RDONLY)", "is a directory or a disk and would lead out"),
        ("os.open(sys.argv[0], os.O_RDWR)", "is a file of the host, open for writing"),
    ],
)
def test_a_kept_descriptor_that_leads_out_is_reported(
    starter: str, opened: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    first = f"sys.argv[0] = {str(tmp_path / 'file')!r}; fd = {opened}"
    lines = """
armed = confine(spec._replace(keep_fds=(1, 2, fd)))
say(armed.report.absent.get("closed_fds").replace(str(fd), "N"))
os._exit(0)
"""
    assert run(lines, starter=starter, first=first) == (
        0,
        f"[Errno 95] descriptor N {reason}\n",
        "",
    )


@starters
def test_names_left_in_the_environment_are_reported_without_their_values(starter: str) -> None:
    lines = """
os.environ["TOKEN"] = "secret-value"
say(confine(spec).report.absent)
os._exit(0)
"""
    expected = "{'clean_env': '[Errno 22] started with TOKEN in its environment'}\n"
    assert run(lines, starter=starter) == (0, expected, "")


@starters
def test_a_machine_that_refuses_namespaces_gives_the_other_walls_and_says_what_to_change(
    starter: str,
) -> None:
    lines = """
# The way a container's default profile refuses: unshare answers EPERM.
capabilities.forbid_new_privileges()
here = syscalls.machine()
refusing = {here.number("unshare"): bpf.refuse(1)}
seccomp.Filter(bpf.assemble(here, refusing, bpf.allow())).arm()
say(json.dumps(confine(spec).report))
os._exit(0)
"""
    status, said, complaints = run(lines, starter=starter)
    assert (status, complaints) == (0, "")
    armed, absent, _ = json.loads(said)
    refused = "[Errno 1] unshare: Operation not permitted"
    assert absent == {
        "user_namespace": refused,
        "mount_namespace": refused,
        "pid_namespace": refused,
        "network_namespace": refused,
        "ipc_namespace": refused,
        "uts_namespace": refused,
        "cgroup_namespace": refused,
        "no_nested_namespaces": "there is no user namespace of its own to forbid it in",
        "empty_root": "there is no mount namespace of its own to change the root in",
    }
    assert missing(armed, armed, absent) is None
    message = missing(["landlock", "empty_root"], armed, absent)
    assert message is not None
    assert message.startswith(
        "1 required isolation layer could not be armed:\n"
        "empty_root: there is no mount namespace of its own to change the root in.\n"
    )
    assert "user.max_user_namespaces" in message


@starters
def test_a_wall_left_down_is_reported_as_such(starter: str) -> None:
    lines = "say(confine(spec._replace(without=(Layer.LANDLOCK,))).report.absent); os._exit(0)"
    assert run(lines, starter=starter) == (0, "{'landlock': 'left down on request'}\n", "")


@starters
def test_starting_leaves_no_process_behind(starter: str) -> None:
    before = _processes()
    for _ in range(5):
        assert run("confine(spec); os._exit(0)", starter=starter) == (0, "", "")
    deadline = time.monotonic() + TIMEOUT_S
    while left := _processes() - before:
        assert time.monotonic() < deadline, f"still there: {sorted(left)}"
        time.sleep(0.05)


def _processes() -> set[str]:
    return {entry.name for entry in Path("/proc").iterdir() if _is_mine(entry.name)}


def _is_mine(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        return b"dspex.worker.confine import" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
