"""Puts the portable runtimes into the wheel, so that an installation needs no Node.

An editable installation is a checkout and builds its runtimes when they are first used.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PREBUILT = "dspex/_resources/prebuilt"


class CustomBuildHook(BuildHookInterface):
    """Adds what `make runtime` has put into `build/prebuilt`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the prebuilt runtimes to a standard wheel, or refuse to make a wheel without them."""
        if self.target_name != "wheel" or version == "editable":
            return
        prebuilt = Path(self.root) / "build" / "prebuilt"
        if not (prebuilt / "python" / "manifest.json").is_file():
            sys.exit(f"{prebuilt} is missing: run `dspex runtime build --into build/prebuilt` first")
        build_data["force_include"][str(prebuilt)] = PREBUILT
