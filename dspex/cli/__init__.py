"""The `dspex` command: one file per subcommand, each imported only when it is called.

`main` names the commands and decides exit codes. A command checks its options, asks the package and
prints; nothing of the engine is decided here, and whatever a command can do, Python code can do too.
"""
