"""What the walls around a guest are called and what their absence means; both sides import it.

Arming them is `dspex.worker.confine`'s, refusing to start without them `dspex.supervisor`'s.
"""
