"""What a program may reach and spend: a described, strict, frozen policy that only ever tightens.

Nothing is granted that a policy does not name. A policy is plain data from a file in
`sandbox_policies/`, or made in code; who enforces it is told in `docs/reference/limits.md` for the
budget, and is the engine (languages, images, variables of the environment, tools), the broker
(network) and the worker's jail (layers, mounts) for the rest.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    model_validator,
)

from dspex.errors import CapabilityDenied, PolicyInvalid
from dspex.isolation.layers import Layer
from dspex.limits import MEMORY_BYTES_MAX, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.resources.abc import Traversable

ANY = "*"
"""Stands for every name, where a set of names may be that wide: images, tools, the environment."""

FILE_BYTES_MAX = 1024 * 1024
"""Largest policy file that is read."""

Capability = Literal["language", "image", "env", "network", "tool"]
"""Kinds of things that a policy grants by name."""

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_HOST = r"(?:[a-z0-9](?:[a-z0-9-]{0,62}\.?)*|\[[0-9a-f:.]+\])"
_PORT_MAX = 65_535


def _widest(names: frozenset[str]) -> frozenset[str]:
    """Reduce a set that holds `*` to nothing but that, so that equal grants compare equal."""
    return frozenset({ANY}) if ANY in names else names


def _known_layers(names: frozenset[str]) -> frozenset[str]:
    if not names <= {layer.value for layer in Layer}:
        msg = f"names of layers: {', '.join(Layer)}"
        raise ValueError(msg)
    return names


def _port_possible(place: str) -> str:
    if not 1 <= int(place.rpartition(":")[2]) <= _PORT_MAX:
        msg = f"a port between 1 and {_PORT_MAX}"
        raise ValueError(msg)
    return place


def _without_dots(path: str) -> str:
    if any(part in (".", "..", "") for part in path.split("/")[1:]) and path != "/":
        msg = "an absolute path without empty parts, '.' and '..'"
        raise ValueError(msg)
    return path


_Name = Annotated[str, Field(pattern=rf"^{_NAME}$")]
_NameOrAny = Annotated[str, Field(pattern=rf"^(?:\*|{_NAME})$")]
_EnvNameOrAny = Annotated[str, Field(pattern=r"^(?:\*|[A-Za-z_][A-Za-z0-9_]{0,127})$")]
_LayerName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Place = Annotated[
    str,
    Field(pattern=rf"^{_HOST}:[1-9][0-9]{{0,4}}$", max_length=300),
    AfterValidator(_port_possible),
]
_PathText = Annotated[
    str, Field(pattern=r"^/[^\x00]*$", max_length=4096), AfterValidator(_without_dots)
]


class Mount(BaseModel):
    """A directory or file of the host that the guest sees under a path of its own."""

    model_config = _STRICT

    guest: _PathText
    """Absolute path in the guest."""

    host: _PathText
    """Absolute path on the host."""

    mode: Literal["read", "write"] = "read"
    """`write` lets changes be carried back to the host."""

    bytes_max: Annotated[int, Field(ge=0, le=MEMORY_BYTES_MAX)] = 64 * 1024 * 1024
    """Most bytes of content, in either direction."""

    def tightened(self, other: Mount) -> Mount:
        """Return the stricter of two mounts of the same path at the same place."""
        return Mount.model_construct(
            guest=self.guest,
            host=self.host,
            mode=min(self.mode, other.mode),  # "read" sorts before "write"
            bytes_max=min(self.bytes_max, other.bytes_max),
        )

    def is_no_looser_than(self, other: Mount) -> bool:
        """Return whether this one gives no more than the other one."""
        same = (self.guest, self.host) == (other.guest, other.host)
        return same and self.mode <= other.mode and self.bytes_max <= other.bytes_max


class Deterministic(BaseModel):
    """A run that can be repeated exactly: the guest gets neither real time nor real entropy."""

    model_config = _STRICT

    clock_ns: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """What the guest's clock shows at the start, in nanoseconds since 1970."""

    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    """Seed of everything that is random in the guest."""


def _unique_guest_paths(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    in_order = tuple(sorted(mounts, key=lambda mount: mount.guest))
    if len({mount.guest for mount in in_order}) != len(in_order):
        msg = "mounts with different guest paths"
        raise ValueError(msg)
    return in_order


class Policy(BaseModel):
    """Everything a program may reach and spend; an empty policy grants nothing at all.

    Example:
        >>> Policy.load("compute").tightened(Policy.load("deny_all")).languages
        frozenset()
    """

    model_config = _STRICT

    name: Annotated[str, Field(pattern=rf"^{_NAME}(?:\+{_NAME})*$", max_length=1000)] = "unnamed"
    """What outcomes and errors call it; a combination has the names of its parts joined by `+`."""

    description: Annotated[str, Field(max_length=10_000)] = ""
    """What it is for, in a sentence or two."""

    languages: Annotated[frozenset[_Name], Strict(strict=False)] = frozenset()
    """Languages that may run."""

    images: Annotated[frozenset[_NameOrAny], Strict(strict=False), AfterValidator(_widest)] = (
        frozenset()
    )
    """Named images that may be used; `*` for all that were built on this machine. A language's
    default image needs no grant."""

    env: Annotated[frozenset[_EnvNameOrAny], Strict(strict=False), AfterValidator(_widest)] = (
        frozenset()
    )
    """Environment variables that the caller may set for the guest; `*` for all. The guest never
    sees the host's own."""

    mounts: Annotated[
        tuple[Mount, ...], Strict(strict=False), AfterValidator(_unique_guest_paths)
    ] = ()
    """Paths of the host that the guest sees; ordered by guest path."""

    network: Annotated[frozenset[_Place], Strict(strict=False)] = frozenset()
    """`host:port` pairs that the guest may reach, through the broker only."""

    tools: Annotated[frozenset[_NameOrAny], Strict(strict=False), AfterValidator(_widest)] = (
        frozenset()
    )
    """Tools of the caller that the guest may call; `*` for all that the caller hands in."""

    require_layers: Annotated[
        frozenset[_LayerName], Strict(strict=False), AfterValidator(_known_layers)
    ] = frozenset()
    """Layers of isolation without which the engine refuses to start."""

    deterministic: Deterministic | None = None
    """Fixed clock and seed, for runs that can be repeated; absent: real time and entropy."""

    limits: Limits = Limits()
    """The budget."""

    @model_validator(mode="wrap")
    @classmethod
    def _named_in_errors(cls, given: Any, make: Any) -> Self:
        """Turn pydantic's error into one that names key, reason and what is allowed."""
        try:
            made: Self = make(given)
        except ValidationError as error:
            raise _as_policy_invalid("policy", error) from None
        return made

    @classmethod
    def load(cls, source: str | Path | Policy) -> Policy:
        """Return a policy given by name, by path, or as it is.

        Args:
            source: Name of a shipped policy; path of a `.toml` file, which as a string must hold a
                `/` or end in `.toml`; or a policy.

        Raises:
            PolicyInvalid: There is no such policy, or it cannot be read or used.
        """
        if isinstance(source, Policy):
            return source
        if not isinstance(source, str | Path):
            # For callers without a type checker:
            msg = f"policy: a name, a path or a Policy wanted, {type(source).__name__} given"  # type: ignore[unreachable]
            raise TypeError(msg)
        if isinstance(source, Path) or "/" in source or source.endswith(".toml"):
            return cls.parse(_read(Path(source), str(source)), source=str(source))
        shipped = shipped_policies()
        if source not in shipped:
            raise PolicyInvalid(
                source,
                "there is no policy of that name",
                allowed=f"{', '.join(shipped)}, or the path of a .toml file",
            )
        return cls.parse(_read(shipped[source], source), source=f"{source}.toml")

    @classmethod
    def parse(cls, text: str, *, source: str = "policy") -> Policy:
        """Return the policy that a text in TOML describes.

        Args:
            text: The content of a policy file.
            source: What errors call it.

        Raises:
            PolicyInvalid: It is not TOML, or not a policy.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except ValueError as error:  # also for a number of more digits than Python reads
            raise PolicyInvalid(source, f"is not TOML: {error}") from None
        except RecursionError:
            raise PolicyInvalid(source, "is nested too deeply") from None
        except PolicyInvalid as error:
            raise PolicyInvalid(
                source, error.reason, key=error.key, allowed=error.allowed
            ) from None

    def tightened(self, other: Policy) -> Policy:
        """Return the policy that grants only what both grant.

        The order of combining any number of policies does not matter, nor does combining one
        twice, and the result is never looser than any of them.

        Args:
            other: Policy to combine with.
        """
        theirs = {mount.guest: mount for mount in other.mounts}
        return Policy.model_construct(
            name="+".join(sorted({*self.name.split("+"), *other.name.split("+")})),
            description=self.description if self.description == other.description else "",
            languages=self.languages & other.languages,
            images=_both(self.images, other.images),
            env=_both(self.env, other.env),
            mounts=tuple(
                mount.tightened(theirs[mount.guest])
                for mount in self.mounts
                if mount.guest in theirs and theirs[mount.guest].host == mount.host
            ),
            network=self.network & other.network,
            tools=_both(self.tools, other.tools),
            require_layers=self.require_layers | other.require_layers,
            deterministic=_stricter(self.deterministic, other.deterministic),
            limits=self.limits.tightened(other.limits),
        )

    def is_no_looser_than(self, other: Policy) -> bool:
        """Return whether this policy grants nothing that the other one does not.

        This is the order that `tightened` goes down in; names and descriptions play no part. Of two
        different fixed clocks or seeds the lower one counts as the stricter, so that there always
        is a stricter one.
        """
        theirs = {mount.guest: mount for mount in other.mounts}
        return (
            self.languages <= other.languages
            and _within(self.images, other.images)
            and _within(self.env, other.env)
            and self.network <= other.network
            and _within(self.tools, other.tools)
            and self.require_layers >= other.require_layers
            and all(
                mount.guest in theirs and mount.is_no_looser_than(theirs[mount.guest])
                for mount in self.mounts
            )
            and _stricter(self.deterministic, other.deterministic) == self.deterministic
            and self.limits.is_no_looser_than(other.limits)
        )

    def require(self, capability: Capability, wanted: Iterable[str]) -> None:
        """Check that everything asked for is granted.

        Args:
            capability: What kind of things they are.
            wanted: Their names.

        Raises:
            CapabilityDenied: For the first one, in order of names, that is not.
        """
        granted = {
            "language": self.languages,
            "image": self.images,
            "env": self.env,
            "network": self.network,
            "tool": self.tools,
        }[capability]
        if ANY in granted:
            return
        for name in sorted(wanted):
            if name not in granted:
                raise CapabilityDenied(capability, name, policy=self.name, granted=granted)


def _both(mine: frozenset[str], theirs: frozenset[str]) -> frozenset[str]:
    """Return the names that both sets grant, either of which may grant all."""
    if ANY in mine:
        return theirs
    return mine if ANY in theirs else mine & theirs


def _within(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return ANY in theirs or mine <= theirs


def _stricter(mine: Deterministic | None, theirs: Deterministic | None) -> Deterministic | None:
    if mine is None or theirs is None:
        return mine or theirs
    return min(mine, theirs, key=lambda fixed: (fixed.clock_ns, fixed.seed))


def shipped_policies() -> dict[str, Traversable]:
    """Return the policy files that come with dspex by name, in order of names.

    They lie in the package; in a source checkout, where nothing was built, beside it.
    """
    folder: Traversable = resources.files("dspex") / "sandbox_policies"
    if not folder.is_dir():
        folder = Path(__file__).parent.parent / "sandbox_policies"
    if not folder.is_dir():
        return {}
    files = (file for file in folder.iterdir() if re.fullmatch(rf"{_NAME}\.toml", file.name))
    return {file.name.removesuffix(".toml"): file for file in sorted(files, key=lambda f: f.name)}


def _read(file: Traversable, source: str) -> str:
    """Return the text of a policy file."""
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise PolicyInvalid(source, f"cannot be read: {error.strerror}") from None
    if len(content) > FILE_BYTES_MAX:
        raise PolicyInvalid(source, "is too large", allowed=f"{FILE_BYTES_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise PolicyInvalid(source, "is not UTF-8") from None


def _as_policy_invalid(source: str, error: ValidationError) -> PolicyInvalid:
    """Return the first of pydantic's findings in the words of dspex."""
    finding = error.errors(include_url=False)[0]
    kind, context = finding["type"], finding.get("ctx", {})
    key = ".".join(map(str, finding["loc"]))
    more = error.error_count() - 1
    also = f" (and {more} more)" if more else ""
    if kind == "extra_forbidden":
        keys = _PARTS.get(str(finding["loc"][0]) if len(finding["loc"]) > 1 else "", Policy)
        known = ", ".join(sorted(keys.model_fields))
        return PolicyInvalid(source, f"unknown key{also}", key=key, allowed=known)
    if kind == "missing":
        return PolicyInvalid(source, f"is missing{also}", key=key)
    reason = f"cannot be {_shown(finding['input'])}{also}"
    allowed = finding["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "string_pattern_mismatch":
        allowed = f"text that matches {context['pattern']}"
    return PolicyInvalid(source, reason, key=key, allowed=_ALLOWED.get(kind, allowed))


def _shown(value: object) -> str:
    """Return a value for a message; Python refuses to show a number of very many digits."""
    try:
        return f"{value!r:.100}"
    except ValueError:
        return f"a number of {sys.get_int_max_str_digits()} digits or more"


_PARTS: dict[str, type[BaseModel]] = {
    "limits": Limits,
    "mounts": Mount,
    "deterministic": Deterministic,
}

_ALLOWED = {
    "frozen_set_type": "a list of names",
    "tuple_type": "a list of tables",
    "model_type": "a table",
}


def policy_schema() -> dict[str, Any]:
    """Return the JSON schema of a policy file; `sandbox_policies/schema.json` is this."""
    schema = Policy.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_in_order(schema)}


def _in_order(node: Any) -> Any:
    """Sort the arrays that come from sets, so that the schema is the same every time."""
    if isinstance(node, dict):
        ordered = {key: _in_order(child) for key, child in node.items()}
        if ordered.get("uniqueItems") and isinstance(ordered.get("default"), list):
            ordered["default"] = sorted(ordered["default"])
        return ordered
    return [_in_order(child) for child in node] if isinstance(node, list) else node


if __name__ == "__main__":
    sys.stdout.write(json.dumps(policy_schema(), indent=2) + "\n")
