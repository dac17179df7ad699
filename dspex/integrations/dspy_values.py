"""DSPy's rules for what crosses: variables and results of tools on the way in, values on the way out.

DSPy's modules pass on JSON, so here everything has the form in which it would be in a JSON body:
tuples and sets are lists, dates and decimals are text. What JSON has is kept exactly, with what JSON
libraries commonly lose: large integers, `1.0`, NaN. How values are sent is `dspex.values`' business.
"""

from __future__ import annotations

import base64
import dataclasses
import inspect
import math
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from dspex import values
from dspex.errors import ValueNotTransferable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DEFAULT_BYTES_MAX = 1 << 20
"""Largest default value of a tool's parameter that a guest is told; the host knows larger ones."""

DEFAULT_DEPTH_MAX = 50
TEXT_CHARS_MAX = 200
_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "any",
    inspect.Parameter.VAR_POSITIONAL: "rest",
    inspect.Parameter.KEYWORD_ONLY: "named",
    inspect.Parameter.VAR_KEYWORD: "named_rest",
}
_SIMPLE_TYPES = (str, int, float, bool, list, dict, type(None))
_LEAVES = (str, int, float, bool, type(None))


class Unserializable(ValueError):
    """A value has no form in JSON; the message is the one that DSPy's own interpreter has."""


def variable(value: Any) -> Any:
    """Return the form in which a guest gets a variable.

    Raises:
        Unserializable: It has none.

    Example:
        >>> variable({"coords": (1, 2), "tags": {"b", "a"}})
        {'coords': [1, 2], 'tags': ['a', 'b']}
    """
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, BaseModel):
        return variable(_dumped(value))
    if isinstance(value, list | tuple):
        return [variable(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): variable(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [variable(item) for item in _in_order(value)]
    return variable(_as_json(value))


def tool_result(result: Any) -> Any:
    """Return the form in which a guest gets a tool's result.

    As in DSPy, None is an empty text, a number that is not finite is text, and what has no form in
    JSON is its `str`.

    Raises:
        Unserializable: A pydantic model in it cannot be dumped.
    """
    if result is None:
        return ""
    if isinstance(result, float) and not math.isfinite(result):
        return str(result)
    try:
        return _result(result)
    except _Opaque:
        return str(result)


class _Opaque(Exception):
    """Something in a tool's result has no form in JSON."""


def _result(value: Any) -> Any:  # noqa: PLR0911 - one case after the other
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, BaseModel):
        return _result(_dumped(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return _result(named)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _result(value._asdict())
    if isinstance(value, dict):
        return {_key(key): _result(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_result(item) for item in value]
    if isinstance(value, set | frozenset):
        return [_result(item) for item in _in_order(value)]
    try:
        return _result(_as_json(value))
    except Unserializable as error:
        raise _Opaque from error


def from_guest(value: Any) -> Any:  # noqa: PLR0911 - one case after the other
    """Return the form in which DSPy gets a value of a guest; every value that crosses has one.

    Example:
        >>> from_guest((1.0, {2, 1}, 2**70))
        [1.0, [1, 2], 1180591620717411303424]
    """
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, list | tuple | range):
        return [from_guest(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): from_guest(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [from_guest(item) for item in _in_order(value)]
    if isinstance(value, bytes | bytearray):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if type(value).__module__.partition(".")[0] == "numpy":
        return from_guest(value.tolist())
    return to_jsonable_python(value, fallback=str)


def _key(key: Any) -> Any:
    return key if isinstance(key, _LEAVES) else str(from_guest(key))


def _in_order(elements: Iterable[Any]) -> list[Any]:
    """Return the elements of a set, sorted if they can be."""
    found = list(elements)
    try:
        return sorted(found)
    except TypeError:
        return found


def _dumped(model: BaseModel) -> Any:
    try:
        return model.model_dump(mode="json")
    except PydanticSerializationError as error:
        raise Unserializable(
            f"Unable to serialize {type(model).__name__} as JSON: {error}"
        ) from error


def _as_json(value: Any) -> Any:
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise Unserializable(f"Unsupported value type: {type(value).__name__}") from error


def describe_tool(tool: Callable[..., Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return a tool's docstring and parameters, for a guest to make a function of.

    Returns:
        The docstring, and for each parameter `name` and `kind`, and where they exist `annotation`
        as text and the default: as `value` if it can cross, else its text as `default`.
    """
    # A `dspy.Tool` is a callable that takes anything; what it takes is told by its function.
    function = getattr(tool, "func", tool)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built-in functions do not tell
        parameters = [inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
    return inspect.getdoc(function) or "", [_parameter(one) for one in parameters]


def _parameter(one: inspect.Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {"name": one.name, "kind": _KINDS[one.kind]}
    annotation = one.annotation
    if annotation is not one.empty:
        described["annotation"] = (
            annotation.__name__
            if annotation in _SIMPLE_TYPES
            else inspect.formatannotation(annotation)
            if not isinstance(annotation, str)
            else annotation
        )[:TEXT_CHARS_MAX]
    if one.default is not one.empty:
        try:
            values.encode(one.default, bytes_max=DEFAULT_BYTES_MAX, depth_max=DEFAULT_DEPTH_MAX)
            described["value"] = one.default
        except (ValueNotTransferable, values.ValueOverLimit):
            described["default"] = repr(one.default)[:TEXT_CHARS_MAX]
    return described
