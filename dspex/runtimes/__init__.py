"""Making the runtimes and finding them: from pinned upstreams to modules compiled for this machine.

`locate` is what the engine asks; `pyodide` is the recipe of the Python runtime, made of `toolchain`
(Node and Binaryen), `glue` (what upstream leaves to JavaScript), `stdlib` and `freeze` (the
snapshot); `store` keeps results by key. Nothing here runs while a request is served.
"""
