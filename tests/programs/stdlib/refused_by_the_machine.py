# /// program
# about = "Asks for threads, processes and sockets, and carries on when they are refused."
# sandbox_only = true
# value = "(5, True)"
# stdout = '''
# thread: refused with RuntimeError
# process: refused with OSError
# shell: refused with OSError
# socket: refused with OSError
# name: refused with OSError
# web: refused with OSError
# listen: refused with OSError
# host file: refused with OSError
# locks work: True MainThread
# '''
# ///
import os
import socket
import subprocess
import threading
import urllib.request


def attempt(name, action):
    try:
        action()
    except (OSError, RuntimeError) as error:
        print(f"{name}: refused with {'OSError' if isinstance(error, OSError) else type(error).__name__}")
    else:
        print(f"{name}: allowed")


attempt("thread", lambda: threading.Thread(target=print).start())
attempt("process", lambda: subprocess.run(["ls"]))
attempt("shell", lambda: subprocess.check_output("echo hi", shell=True))
attempt("socket", lambda: socket.create_connection(("192.0.2.1", 80), timeout=1))
attempt("name", lambda: socket.create_connection(("example.org", 80), timeout=1))
attempt("web", lambda: urllib.request.urlopen("http://192.0.2.1/", timeout=1))
attempt("listen", lambda: socket.create_server(("127.0.0.1", 0)))
attempt("host file", lambda: open("/etc/passwd"))
lock = threading.Lock()
with lock:
    print("locks work:", lock.locked(), threading.current_thread().name)
local = threading.local()
local.x = 5
local.x, os.cpu_count() is None or os.cpu_count() >= 1
