"""Methods that take the parameters of another: written down once, seen by `help` and by mypy.

The asynchronous face has the methods of the synchronous one. What a parameter means, and its
default, belongs to one place; what is done with it, to the function that is decorated.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_P = ParamSpec("_P")
_Result = TypeVar("_Result")
_Self = TypeVar("_Self")


def method_like(
    source: Callable[Concatenate[Any, _P], object],
) -> Callable[
    [Callable[Concatenate[_Self, ...], _Result]], Callable[Concatenate[_Self, _P], _Result]
]:
    """Give a method the parameters of another method, and its own result.

    Args:
        source: A method, whose `self` is not copied.

    Example:
        >>> class Echo:
        ...     def say(self, text: str, *, loud: bool = False) -> str:
        ...         return text.upper() if loud else text
        ...     @method_like(say)
        ...     def count(self, *args: Any, **kwargs: Any) -> int:
        ...         return len(self.say(*args, **kwargs))
        >>> list(inspect.signature(Echo.count).parameters)
        ['self', 'text', 'loud']
        >>> Echo().count("four", loud=True)
        4
    """
    return lambda method: _as_if(method, [*inspect.signature(source).parameters.values()])


def function_like(
    source: Callable[Concatenate[Any, _P], object],
) -> Callable[[Callable[..., _Result]], Callable[_P, _Result]]:
    """Give a function the parameters of a method, without its `self`, and its own result.

    Args:
        source: The method; for those of a class, its `__init__`.
    """
    return lambda function: _as_if(function, [*inspect.signature(source).parameters.values()][1:])


def _as_if(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> Any:
    own = inspect.signature(function)
    shown = own.replace(parameters=parameters)
    vars(function)["__signature__"] = shown
    return function
