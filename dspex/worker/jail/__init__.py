"""The operating-system jail, one wall a file; `dspex.worker.confine` puts them up in the order that works.

Everything here runs inside a child process, before any guest code, by system calls through ctypes: no set-uid
helper, nothing to install. Imports stay few because the zygote carries them into each fork.
"""
