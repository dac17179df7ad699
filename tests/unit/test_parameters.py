"""Borrowed parameters are shown, and calls go on to the function that does the work."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from dspex.parameters import function_like, method_like


class Source:
    """Has the method that is imitated."""

    def __init__(self, size: int = 3) -> None:
        self.size = size

    def speak(self, text: str, *, times: int = 1) -> str:
        """Say it."""
        return text * times

    @method_like(speak)
    def count(self, *args: Any, **kwargs: Any) -> int:
        """Count it."""
        return len(self.speak(*args, **kwargs))

    @method_like(speak)
    async def later(self, *args: Any, **kwargs: Any) -> str:
        """Say it later."""
        return self.speak(*args, **kwargs)


@function_like(Source.speak)
def speak(*args: Any, **kwargs: Any) -> list[str]:
    """Say it in a list."""
    return [Source().speak(*args, **kwargs)]


@function_like(Source.__init__)
def make(*args: Any, **kwargs: Any) -> Source:
    """Make one."""
    return Source(*args, **kwargs)


def test_a_method_shows_the_parameters_of_another_and_its_own_result() -> None:
    assert str(inspect.signature(Source.count)) == "(self, text: 'str', *, times: 'int' = 1) -> 'int'"
    assert str(inspect.signature(Source().count)) == "(text: 'str', *, times: 'int' = 1) -> 'int'"
    assert (Source.count.__name__, Source.count.__doc__) == ("count", "Count it.")


def test_a_function_shows_the_parameters_of_a_method_without_its_self() -> None:
    assert str(inspect.signature(speak)) == "(text: 'str', *, times: 'int' = 1) -> 'list[str]'"
    assert str(inspect.signature(make)) == "(size: 'int' = 3) -> 'Source'"


def test_calls_are_passed_on_as_they_are() -> None:
    assert Source().count("ab", times=3) == 6
    assert speak("ab", times=2) == ["abab"]
    assert make(5).size == 5
    assert inspect.iscoroutinefunction(Source.later)


def test_a_wrong_call_is_refused_by_the_source() -> None:
    with pytest.raises(TypeError, match=r"speak\(\) got an unexpected keyword argument 'loud'"):
        Source().count("ab", loud=True)  # type: ignore[call-arg]
