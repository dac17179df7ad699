"""Takes the wasm wall away and tells which others hold: a table, and JSON for a machine to read.

Run it from the repository's root: `python -m tests.ablation.ablation [--json FILE] [--ordinary]`. Three kinds of jail:
every wall up; each wall left down in turn; each wall standing alone. Status 1 if anything of the host is reached with
all walls up, or with a single one down and not named in `KNOWN`.
"""

# ruff: noqa: T201 - a program whose output is a table

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from dspex.isolation.layers import JAIL, Layer
from dspex.worker.jail.namespaces import NAMESPACES
from tests.ablation.arena import Ablation, Arena
from tests.ablation.attacks import ATTACKS

HOST = {attack.name for attack in ATTACKS if attack.reaches_host}
KNOWN: Final = {
    Layer.CLEAN_ENV: {"read_own_environment"},
    Layer.CLOSED_FDS: {"use_inherited_descriptor"},
    Layer.NO_NEW_PRIVS: {"signal_neighbour"},
}
"""What a single missing wall is known to let through. A process holds its environment in its own memory, and an
open descriptor is its own leave, so nothing stands behind a clean start and a clean table. The kernel gives Landlock and seccomp only with `no_new_privs`, so three walls fall at once.
"""


NEEDED: Final = {
    Layer.LANDLOCK: (Layer.NO_NEW_PRIVS,),
    Layer.SECCOMP: (Layer.NO_NEW_PRIVS,),
    Layer.NO_NESTED_NAMESPACES: (Layer.USER_NAMESPACE,),
    Layer.EMPTY_ROOT: (Layer.USER_NAMESPACE, Layer.MOUNT_NAMESPACE),
}
"""What the kernel demands before it gives a wall; such a wall is shown together with these."""


class Jail(NamedTuple):
    """One configuration and what came of it."""

    name: str
    down: tuple[Layer, ...]
    ablation: Ablation

    def breaches(self) -> set[str]:
        """Return what reached the host and should not have, with at most one wall down."""
        if len(self.down) > 1:
            return set()
        known = KNOWN.get(self.down[0], set()) if self.down else set()
        return (self.ablation.reached() & HOST) - known

    def row(self) -> str:
        """Return one line of the table."""
        reached = self.ablation.reached()
        host, surface = sorted(reached & HOST), sorted(reached - HOST)
        told = f"reached: {', '.join(host + surface)}" if host + surface else "reached: nothing"
        if self.name.startswith("only"):
            told = f"stopped: {', '.join(sorted(set(self.ablation.results) - reached))}"
        return f"{self.name:26} {len(host):4}  {len(surface):7}  {told}"


def jails(arena: Arena, *, as_ordinary_user: bool) -> Iterator[Jail]:
    """Yield one jail after another: none, all, all but one, one alone."""

    def jail(name: str, *down: Layer) -> Jail:
        return Jail(name, down, arena.run(without=down, as_ordinary_user=as_ordinary_user))

    yield jail("no walls", *JAIL)
    yield jail("all walls")
    for layer in JAIL:
        yield jail(f"all but {layer.value}", layer)
    for layer in JAIL:
        standing = (layer, *NEEDED.get(layer, ()))
        if as_ordinary_user and layer in NAMESPACES:
            standing = (layer, Layer.USER_NAMESPACE)
        yield jail(f"only {layer.value}", *(other for other in JAIL if other not in standing))


def main() -> int:
    """Run every jail and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write every ending to this file")
    parser.add_argument(
        "--ordinary", action="store_true", help="as root: drop to an ordinary user first"
    )
    options = parser.parse_args()
    who = "root" if os.geteuid() == 0 and not options.ordinary else "ordinary user"
    print(
        f"started as {who}; {len(HOST)} attacks on the host, {len(ATTACKS) - len(HOST)} on kernel surface"
    )
    print(f"{'jail':26} host  surface")
    found: list[Jail] = []
    with Arena() as arena:
        for jail in jails(arena, as_ordinary_user=who != "root"):
            print(jail.row(), flush=True)
            found.append(jail)
    if options.json:
        endings = {
            jail.name: {
                "armed": jail.ablation.armed,
                "absent": jail.ablation.absent,
                "endings": {name: each._asdict() for name, each in jail.ablation.results.items()},
            }
            for jail in found
        }
        options.json.write_text(json.dumps({"started_as": who, "jails": endings}, indent=1))
    broken = [jail.name for jail in found if jail.breaches()]
    print(f"reached the host though it should not have: {', '.join(broken) or 'nothing did'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
