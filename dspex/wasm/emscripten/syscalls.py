"""All imports of an Emscripten program that have nothing to do with JavaScript, as plain methods on ints.

`Syscalls` joins the groups; `IMPLEMENTED` says which method answers which import, written out by hand so
that a new import of a newer guest is noticed rather than guessed. Defining them in a wasmtime linker, and
the imports in `LEFT_TO_BINDING`, is `dspex.wasm.instance`'s work; the JavaScript bridge is nobody's.
"""

from __future__ import annotations

from dspex.wasm.emscripten.descriptor_calls import DescriptorCalls
from dspex.wasm.emscripten.machine_calls import MachineCalls
from dspex.wasm.emscripten.path_calls import PathCalls


class Syscalls(PathCalls, DescriptorCalls, MachineCalls):
    """The system calls of one guest.

    Arguments are what wasm passes: 32-bit numbers signed or unsigned, 64-bit numbers signed. A method
    raises nothing but `GuestExit` and `GuestAborted`, which end the guest, whatever it is given.

    Example:
        >>> from types import SimpleNamespace
        >>> from dspex.wasm.emscripten.filesystem import MemoryFileSystem
        >>> memory = SimpleNamespace(view=memoryview(bytearray(65536)))
        >>> memory.view[16:27] = b"/nowhere/x" + bytes(1)
        >>> Syscalls(memory, MemoryFileSystem()).stat64(16, 1024)
        -44
    """

    __slots__ = ()


IMPLEMENTED = {
    # Paths.
    "__syscall_openat": "openat",
    "__syscall_stat64": "stat64",
    "__syscall_lstat64": "lstat64",
    "__syscall_fstat64": "fstat64",
    "__syscall_newfstatat": "newfstatat",
    "__syscall_faccessat": "faccessat",
    "__syscall_readlinkat": "readlinkat",
    "__syscall_getcwd": "getcwd",
    "__syscall_chdir": "chdir",
    "__syscall_fchdir": "fchdir",
    "__syscall_chmod": "chmod",
    "__syscall_fchmod": "fchmod",
    "__syscall_fchmodat2": "fchmodat2",
    "__syscall_fchownat": "fchownat",
    "__syscall_fchown32": "fchown32",
    "__syscall_utimensat": "utimensat",
    "__syscall_truncate64": "truncate64",
    "__syscall_mkdirat": "mkdirat",
    "__syscall_mknodat": "mknodat",
    "__syscall_unlinkat": "unlinkat",
    "__syscall_rmdir": "rmdir",
    "__syscall_renameat": "renameat",
    "__syscall_symlinkat": "symlinkat",
    "__syscall_statfs64": "statfs64",
    "__syscall_fstatfs64": "fstatfs64",
    "__syscall_umask_js": "set_umask",
    # Descriptors.
    "fd_read": "fd_read",
    "fd_write": "fd_write",
    "fd_pread": "fd_pread",
    "fd_pwrite": "fd_pwrite",
    "fd_seek": "fd_seek",
    "fd_close": "fd_close",
    "fd_sync": "fd_sync",
    "fd_fdstat_get": "fd_fdstat_get",
    "__syscall_fdatasync": "fdatasync",
    "__syscall_ftruncate64": "ftruncate64",
    "__syscall_fallocate": "fallocate",
    "__syscall_fadvise64": "fadvise64",
    "__syscall_dup": "dup",
    "__syscall_dup3": "dup3",
    "__syscall_pipe": "pipe",
    "__syscall_fcntl64": "fcntl64",
    "__syscall_ioctl": "ioctl",
    "__syscall_poll": "poll",
    "__syscall_getdents64": "getdents64",
    "_mmap_js": "mmap_js",
    "_msync_js": "msync_js",
    "_munmap_js": "munmap_js",
    # Environment, clocks, civil time, randomness.
    "environ_sizes_get": "environ_sizes_get",
    "environ_get": "environ_get",
    "_emscripten_get_progname": "get_program_name",
    "__syscall_getuid32_js": "get_user",
    "clock_time_get": "clock_time_get",
    "clock_res_get": "clock_res_get",
    "emscripten_date_now": "date_now",
    "emscripten_get_now": "get_now",
    "_setitimer_js": "set_interval_timer",
    "_tzset_js": "set_time_zone",
    "_localtime_js": "local_time",
    "_gmtime_js": "universal_time",
    "_mktime_js": "local_to_seconds",
    "_timegm_js": "universal_to_seconds",
    "random_get": "random_get",
    # The end.
    "proc_exit": "exit",
    "exit": "exit",
    "_abort_js": "abort",
    "__assert_fail": "fail_assertion",
    # Sockets, names and programs: refused.
    "__syscall_socket": "socket",
    "__syscall_accept4": "use_socket",
    "__syscall_bind": "use_socket",
    "__syscall_connect": "use_socket",
    "__syscall_getpeername": "use_socket",
    "__syscall_getsockname": "use_socket",
    "__syscall_getsockopt": "use_socket",
    "__syscall_listen": "use_socket",
    "__syscall_recvfrom": "use_socket",
    "__syscall_recvmsg": "use_socket",
    "__syscall_sendmsg": "use_socket",
    "__syscall_sendto": "use_socket",
    "_try_shutdown": "shut_down",
    "getaddrinfo": "fail_name_lookup",
    "getnameinfo": "fail_name_lookup",
    "getprotobyname": "answer_zero",
    "_emscripten_lookup_name": "answer_zero",
    "_emscripten_system": "run_command",
    # Detours by JavaScript that are not taken, and debugging aids.
    "_try_fcntl64": "answer_zero",
    "_maybe_connect_async": "make_no_promise",
    "_maybe_poll_async": "make_no_promise",
    "_maybe_recvfrom_async": "make_no_promise",
    "_maybe_sendto_async": "make_no_promise",
    "emscripten_set_up_async_input_device_js": "answer_zero",
    "emscripten_runtime_keepalive_push": "ignore",
    "emscripten_runtime_keepalive_pop": "ignore",
    "_emscripten_runtime_keepalive_clear": "ignore",
    "emscripten_debugger": "ignore",
    "emscripten_log_impl_js": "ignore",
    "_emscripten_log_formatted": "ignore",
}
"""Import name to name of the method of `Syscalls` that answers it."""

LEFT_TO_BINDING = frozenset(
    {
        # They need the instance's memory, table or exports.
        "emscripten_resize_heap",
        "emscripten_get_heap_max",
        "__call_sighandler",
        "_PyEM_TrampolineCall_JS",
        "_Py_CheckEmscriptenSignals_Helper",
        "_Py_emscripten_runtime",
        "_dlopen_js",
        "_dlsym_js",
        "_emscripten_dlopen_js",
        "emscripten_promise_create",
        "emscripten_promise_resolve",
        "emscripten_promise_destroy",
        # Any host object will do.
        "__hiwire_deduplicate_new",
        "__hiwire_deduplicate_get",
        "__hiwire_deduplicate_set",
        "__hiwire_deduplicate_delete",
        # Foreign functions through ctypes: to be trapped or refused.
        "ffi_call_js",
        "ffi_closure_alloc_js",
        "ffi_closure_free_js",
        "ffi_prep_closure_loc_js",
    }
)
"""Imports outside the JavaScript bridge that `dspex.wasm.instance` must answer itself."""
