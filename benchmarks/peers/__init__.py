"""One small adapter per contestant, each run as a child process in its own interpreter.

An adapter offers `benchmarks.peers.loop.Sandboxes` and hands itself to `loop.main`; which
interpreter and which packages it gets is decided by `benchmarks.contestants`.
"""
