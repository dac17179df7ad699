"""What runs in child processes only: the zygote, the workers it forks, and their jail.

Nothing here is imported by the supervisor; the two meet at `dspex.protocol`. Imports stay few,
because every page that the zygote touches is a page that each fork has to share.
"""
