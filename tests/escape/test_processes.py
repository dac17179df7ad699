"""Way out: processes. The guest starts none, signals none, traces none, and becomes nobody else."""

from __future__ import annotations

import os

import psutil
import pytest

import dspex
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names
from tests.escape.processes import children_of_workers

STARTS = [
    Attempt("system", "import os\nos.system('touch ' + canary['folder'] + '/new')", "ok -1"),
    Attempt("popen", "import os\nos.popen('id').read()", "raised OSError: [Errno 138] emscripten does not support processes."),
    Attempt("subprocess", "import subprocess\nsubprocess.run(['/bin/cat', canary['file']])", "raised OSError: [Errno 138] emscripten does not support processes."),
    Attempt("shell", "import subprocess\nsubprocess.check_output('id', shell=True)", "raised OSError: [Errno 138] emscripten does not support processes."),
    Attempt("getoutput", "import subprocess\nsubprocess.getoutput('id')", "raised OSError: [Errno 138] emscripten does not support processes."),
    Attempt("fork_exec", "import _posixsubprocess\n_posixsubprocess.fork_exec([b'/bin/sh'], [b'/bin/sh'], True, (), None, None, -1, -1, -1, -1, -1, -1, 3, 4, False, False, 0, None, None, None, -1, None)", "raised OSError: [Errno 52] Function not implemented"),
    Attempt("fork", "import os\nos.fork()", "raised OSError: [Errno 52] Function not implemented"),
    Attempt("forkpty", "import os\nos.forkpty()", "raised AttributeError: module 'os' has no attribute 'forkpty'"),
    Attempt("exec", "import os\nos.execv('/bin/sh', ['sh'])", "raised OSError: [Errno 45] Exec format error"),
    Attempt("exec in the path", "import os\nos.execvpe('sh', ['sh'], {})", "raised OSError: [Errno 45] Exec format error: b'/bin/sh'"),
    Attempt("spawn", "import os\nos.posix_spawn('/bin/sh', ['sh'], {})", "raised AttributeError: module 'os' has no attribute 'posix_spawn'"),
    Attempt("spawnl", "import os\nos.spawnl(os.P_NOWAIT, '/bin/sh', 'sh')", "raised OSError: [Errno 52] Function not implemented"),
    Attempt("pty", "import pty\npty.spawn('/bin/sh')", "raised OSError: out of pty devices"),
    Attempt("multiprocessing", "import multiprocessing as m\np = m.Process(target=print)\np.start()", "raised ModuleNotFoundError: No module named '_multiprocessing'"),
    Attempt("pool of processes", "import concurrent.futures as f\nf.ProcessPoolExecutor().submit(print)", "raised NotImplementedError: This Python build lacks multiprocessing.synchronize, usually due to named semaphores being unavailable on this platform."),
    Attempt("asyncio", "import asyncio\nawait asyncio.create_subprocess_shell('id')", "raised NotImplementedError: "),
    Attempt("thread", "import _thread\n_thread.start_new_thread(print, ())", "raised RuntimeError: can't start new thread"),
    Attempt("pool of threads", "import concurrent.futures as f\nf.ThreadPoolExecutor().submit(print).result()", "raised RuntimeError: can't start new thread"),
    Attempt("subinterpreter", "import concurrent.interpreters as i\ni.create()", "raised ModuleNotFoundError: No module named '_interpreters'"),
    Attempt("web browser", "import webbrowser\nwebbrowser.open('file:///etc/passwd')", "raised ModuleNotFoundError: No module named 'js'"),
    Attempt("pip", "import ensurepip\nensurepip.bootstrap()", "raised ModuleNotFoundError: No module named 'ensurepip'"),
    Attempt("made executable", "import os\nopen('x', 'w').write('#!/bin/sh')\nos.chmod('x', 0o4755)\nos.execv('./x', ['x'])", "raised OSError: [Errno 45] Exec format error"),
    Attempt("interpreter again", "import os, sys\nos.execv(sys.executable or '/proc/self/exe', ['x'])", "raised OSError: [Errno 45] Exec format error"),
]  # fmt: skip

OTHERS = [
    Attempt("kill the supervisor", "import os\nos.kill(canary['pid'], 9)", "raised PermissionError: [Errno 63] Operation not permitted"),
    Attempt("is the supervisor there", "import os\nos.kill(canary['pid'], 0)", "raised PermissionError: [Errno 63] Operation not permitted"),
    Attempt("kill everybody", "import os\nos.kill(-1, 9)", "raised PermissionError: [Errno 63] Operation not permitted"),
    Attempt("kill the group", "import os\nos.killpg(0, 9)", "raised PermissionError: [Errno 63] Operation not permitted"),
    Attempt("kill init", "import os\nos.kill(1, 9)", "raised PermissionError: [Errno 63] Operation not permitted"),
    Attempt("parent", "import os\n[os.getpid(), os.getppid()]", "ok [42, 1]"),
    Attempt("process descriptor", "import os\nos.pidfd_open(canary['pid'])", "raised AttributeError: module 'os' has no attribute 'pidfd_open'"),
    Attempt("signal by descriptor", "import signal\nsignal.pidfd_send_signal(3, 9)", "raised AttributeError: module 'signal' has no attribute 'pidfd_send_signal'"),
    Attempt("wait", "import os\nos.waitpid(-1, 0)", "raised OSError: [Errno 52] Function not implemented"),
    Attempt("priority", "import os\nos.setpriority(os.PRIO_PROCESS, canary['pid'], 19)", "raised AttributeError: module 'os' has no attribute 'setpriority'"),
    Attempt("affinity", "import os\nos.sched_setaffinity(canary['pid'], [0])", "raised AttributeError: module 'os' has no attribute 'sched_setaffinity'"),
    Attempt("session", "import os\nos.setsid()", "ok None"),
    Attempt("user", "import os\nos.setuid(0)\nos.setresuid(0, 0, 0)", "raised PermissionError: [Errno 63] Operation not permitted"),
    Attempt("group", "import os\nos.setgroups([0])", "raised AttributeError: module 'os' has no attribute 'setgroups'"),
    Attempt("namespace", "import os\nos.unshare(0x10000000)", "raised AttributeError: module 'os' has no attribute 'unshare'"),
    Attempt("namespace of another", "import os\nos.setns(3)", "raised AttributeError: module 'os' has no attribute 'setns'"),
    Attempt("limits", "import resource", "raised ModuleNotFoundError: No module named 'resource'"),
    Attempt("alarm", "import signal\nsignal.alarm(1)", "raised AttributeError: module 'signal' has no attribute 'alarm'"),
    Attempt("timer", "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01)", "raised AttributeError: module 'signal' has no attribute 'setitimer'"),
    Attempt("debugger", "import sys\nopen('x.py', 'w').close()\nsys.remote_exec(canary['pid'], 'x.py')", "raised RuntimeError: Remote debugging is not supported on this platform"),
    Attempt("unwinder", "import _remote_debugging as r\nr.RemoteUnwinder(canary['pid'])", "raised ModuleNotFoundError: No module named '_remote_debugging'"),
    Attempt("processes", "import os\n[name for name in os.listdir('/') if name == 'proc']", "ok []"),
    Attempt("reboot", "open('/proc/sysrq-trigger', 'w').write('b')", "raised FileNotFoundError: [Errno 44] No such file or directory: '/proc/sysrq-trigger'"),
]  # fmt: skip


@pytest.mark.parametrize("attempt", STARTS, ids=names(STARTS))
def test_no_program_process_or_thread_is_started(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    assert ending(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize("attempt", OTHERS, ids=names(OTHERS))
def test_no_other_process_is_seen_or_touched(
    attack: Attack, canary: Canary, attempt: Attempt
) -> None:
    supervisor = psutil.Process()
    nice = supervisor.nice()

    assert ending(attack(attempt.code), canary) == attempt.ending
    assert (supervisor.nice(), supervisor.is_running()) == (nice, True)


def test_a_worker_has_no_children_even_while_the_guest_tries(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    job = engine.submit(
        "import os, time\n"
        "failed = 0\n"
        "until = time.monotonic() + 0.5\n"
        "while time.monotonic() < until:\n"
        "    for start in (os.fork, lambda: os.popen('id'), lambda: os.execv('/bin/sh', ['sh'])):\n"
        "        try:\n"
        "            start()\n"
        "        except OSError:\n"
        "            failed += 1\n"
        "failed > 100"
    )
    looks = 0
    while not job.done:
        assert children_of_workers(engine) == set()
        looks += 1

    assert (job.outcome().status, job.outcome().value) == ("ok", True)
    assert looks > 1


def test_twin_what_a_program_does_alone_works(
    engine: dspex.Engine, the_next_request_works: None
) -> None:
    outcome = engine.run(
        "import asyncio, os, queue, threading\n"
        "line = queue.Queue()\n"
        "with threading.Lock(): line.put(3)\n"
        "async def one(n):\n"
        "    await asyncio.sleep(0)\n"
        "    return n\n"
        "[await asyncio.gather(one(1), one(2)), line.get(), os.getpid() > 0]"
    )

    assert (outcome.status, outcome.value) == ("ok", [[1, 2], 3, True])
    assert os.getpid() == psutil.Process().pid
