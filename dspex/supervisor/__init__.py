"""The parent's side: keeps zygotes alive, workers warm, budgets kept, and believes nobody.

Everything here runs in one trio loop in a thread of its own, so that a caller that blocks its own
loop never delays a kill. `tree` is the root; `zygote` and `worker` stand for one child process
each; `pool` decides who serves what; `watchdog` looks from outside; `restart` decides how often.
It never imports `dspex.worker`: the two meet at `dspex.protocol`.
"""
