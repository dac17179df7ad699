"""Images: a Python runtime with packages in it, linked, imported and frozen like the bare one.

From the names of packages to a snapshot: `resolve` and `pyodide_index` choose wheels, `lockfile` says
which, `wheels` opens them, `sidemodule` and `link` make one module of native code and interpreter,
`assemble` starts and freezes it in a process of its own. `registry` knows which images there are.
"""
