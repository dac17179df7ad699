"""How a session's worker may copy itself: what its filter asks about, and what the supervisor gives leave to."""

import signal
from typing import Final

COPY_FLAGS: Final = 0x8000 | int(signal.SIGCHLD)
"""What clone() is asked for: CLONE_PARENT, so that the copy is the zygote's child, and SIGCHLD; nothing shared."""
