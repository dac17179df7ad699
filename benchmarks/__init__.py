"""Side-by-side measurements of dspex and its peers, run by `python -m benchmarks`.

Nothing here is a test: no absolute number passes or fails. The method is written down in
`docs/benchmarks/README.md`; the package itself stays importable by any Python from 3.11 on
without third-party packages, because the adapters in `benchmarks.peers` run inside each
peer's own virtual environment.
"""
