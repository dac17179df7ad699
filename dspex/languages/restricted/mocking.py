"""`unittest.mock` for restricted programs: objects that note their calls, and names exchanged for a while.

The library's makes a class per object and sets attributes of anything that a text names. Ours sets what the
guards let a program set, and the public names of the modules that programs get.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import types
from typing import TYPE_CHECKING, Any

from dspex.languages.restricted.context import present
from dspex.languages.restricted.exports import Module
from dspex.languages.restricted.guards import plain_name
from dspex.languages.restricted.names import is_dunder
from dspex.languages.restricted.own_surroundings import SysFace

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.languages.restricted.context import Context, Offer

_DEFAULTS: dict[str, Any] = {
    "__len__": 0, "__bool__": True, "__int__": 1, "__float__": 1.0, "__contains__": False, "__exit__": False,
    "__index__": 1,
}  # fmt: skip
_ANSWERING = ("__enter__", "__exit__", "__len__", "__bool__", "__contains__", "__iter__", "__getitem__", "__setitem__",
              "__delitem__", "__int__", "__float__", "__index__", "__add__", "__sub__", "__mul__", "__lt__", "__gt__",
              "__le__", "__ge__", "__aenter__", "__aexit__", "__next__")  # fmt: skip
_SHARED = frozenset({"print", "input", "open"})
"""Built-in functions that a test may exchange: nothing of ours calls them."""
_missing = object()


class _Any:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "<ANY>"


class Sentinel:
    """A thing with a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"sentinel.{self.name}"


class _Sentinels:
    def __init__(self) -> None:
        self._sentinel_made: dict[str, Sentinel] = {}

    def __getattr__(self, name: str) -> Sentinel:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._sentinel_made.setdefault(name, Sentinel(f"{name}"))


class Call(tuple[Any, ...]):
    """One call: how it was named, its arguments."""

    __slots__ = ()

    @property
    def args(self) -> Any:
        return self[1]

    @property
    def kwargs(self) -> Any:
        return self[2]

    def __call__(self, *args: Any, **kwargs: Any) -> Call:
        return Call((self[0], args, kwargs))

    def __getattr__(self, name: str) -> Call:
        if name.startswith("_"):
            raise AttributeError(name)
        return Call((f"{self[0]}.{name}" if self[0] else name, (), {}))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Call):
            return bool(tuple.__eq__(self, other))
        if not isinstance(other, tuple):
            return NotImplemented
        given = (*other, {}) if len(other) == 1 else other[-_PAIR:]
        return tuple(given) == (self[1], self[2])

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join([*map(repr, self[1]), *(f"{name}={value!r}" for name, value in self[2].items())])
        return f"call{'.' + self[0] if self[0] else ''}({shown})"


_PAIR = 2


def mock_module(context: Context) -> Offer:
    """Return the names of `unittest.mock`."""

    class NonCallableMock:
        """Whatever attribute it is asked for, it has one."""

        side_effect: Any
        called: bool
        call_count: int
        call_args: Any
        call_args_list: list[Any]
        mock_calls: list[Any]
        method_calls: list[Any]

        def __init__(self, spec: Any = None, side_effect: Any = None, return_value: Any = _missing, name: str | None = None,
                     wraps: Any = None, spec_set: Any = None, **attributes: Any) -> None:  # fmt: skip
            spec = spec_set if spec is None else spec
            names = None if spec is None else spec if isinstance(spec, list | tuple) else context.guard.dir(spec)
            self.__dict__.update(
                _mock_children={}, _mock_named=name or "mock", _mock_parent=None, _mock_value=return_value,
                _mock_spec=None if names is None else frozenset(names), _mock_wraps=wraps, side_effect=side_effect,
                called=False, call_count=0, call_args=None, call_args_list=[], mock_calls=[], method_calls=[],
            )  # fmt: skip
            self.configure_mock(**attributes)

        def configure_mock(self, **attributes: Any) -> None:
            for path, value in attributes.items():
                *above, last = path.split(".")
                owner: Any = self
                for one in above:
                    owner = context.guard.getattr(owner, one)
                context.guard.setattr(owner, last, value)

        def __getattr__(self, name: str) -> Any:
            spec = self.__dict__.get("_mock_spec")
            if name.startswith(("_", "assert")) or (spec is not None and name not in spec):
                raise AttributeError(f"Mock object has no attribute {name!r}")
            return self._mock_child(name)

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "return_value":
                self.__dict__["_mock_value"] = value
            elif name in _ANSWERING:
                self._mock_children[name] = value
            else:
                object.__setattr__(self, name, value)

        def _mock_child(self, name: str) -> Any:
            made = self._mock_children.get(name)
            if made is None:
                kind = MagicMock if isinstance(self, MagicMock) else Mock
                made = self._mock_children[name] = kind(name=name)
                made.__dict__["_mock_parent"] = self
            return made

        @property
        def return_value(self) -> Any:
            if self._mock_value is _missing:
                self.__dict__["_mock_value"] = (MagicMock if isinstance(self, MagicMock) else Mock)(name=f"{self._mock_named}()")
            return self._mock_value

        def __repr__(self) -> str:
            return f"<{type(self).__name__} name={self._mock_named!r}>"

        def attach_mock(self, mock: Any, attribute: str) -> None:
            context.guard.setattr(self, attribute, mock)

        def reset_mock(self, *, return_value: bool = False, side_effect: bool = False) -> None:
            self.__dict__.update(
                called=False, call_count=0, call_args=None, call_args_list=[], mock_calls=[], method_calls=[]
            )
            if return_value:
                self.__dict__["_mock_value"] = _missing
            if side_effect:
                self.side_effect = None

        # Assertions

        def _mock_fail(self, wanted: Any) -> None:
            shown = f"Expected: {wanted!r}\n  Actual: {self.call_args!r}"
            raise AssertionError(f"expected call not found.\n{shown}")

        def assert_called(self) -> None:
            if not self.call_count:
                raise AssertionError(f"Expected '{self._mock_named}' to have been called.")

        def assert_not_called(self) -> None:
            if self.call_count:
                raise AssertionError(
                    f"Expected '{self._mock_named}' to not have been called. Called {self.call_count} times."
                )

        def assert_called_once(self) -> None:
            if self.call_count != 1:
                raise AssertionError(
                    f"Expected '{self._mock_named}' to have been called once. Called {self.call_count} times."
                )

        def assert_called_with(self, /, *args: Any, **kwargs: Any) -> None:
            if self.call_args != Call(("", args, kwargs)):
                self._mock_fail(Call(("", args, kwargs)))

        def assert_called_once_with(self, /, *args: Any, **kwargs: Any) -> None:
            self.assert_called_once()
            self.assert_called_with(*args, **kwargs)

        def assert_any_call(self, /, *args: Any, **kwargs: Any) -> None:
            if Call(("", args, kwargs)) not in self.call_args_list:
                self._mock_fail(Call(("", args, kwargs)))

        def assert_has_calls(self, calls: Any, any_order: bool = False) -> None:
            wanted, made = list(calls), list(self.mock_calls)
            if any_order:
                found = all(one in made for one in wanted)
            else:
                found = any(made[at : at + len(wanted)] == wanted for at in range(len(made) + 1))
            if not found:
                raise AssertionError(f"Calls not found.\nExpected: {wanted!r}\n  Actual: {made!r}")

    class Mock(NonCallableMock):
        """A mock that can be called."""

        def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
            self._mock_note(args, kwargs)
            return self._mock_answer(args, kwargs)

        def _mock_note(self, args: Any, kwargs: Any) -> None:
            made = Call(("", args, kwargs))
            self.called, self.call_args = True, made
            self.call_count += 1
            self.call_args_list.append(made)
            self.mock_calls.append(made)
            name, above, direct = self._mock_named, self._mock_parent, True
            while above is not None:
                noted = Call((name, args, kwargs))
                above.mock_calls.append(noted)
                if direct:
                    above.method_calls.append(noted)
                name, above, direct = f"{above._mock_named}.{name}", above._mock_parent, False

        def _mock_answer(self, args: Any, kwargs: Any) -> Any:
            effect = self.side_effect
            if effect is not None:
                if isinstance(effect, BaseException) or (isinstance(effect, type) and issubclass(effect, BaseException)):
                    raise effect
                if callable(effect):
                    answer = effect(*args, **kwargs)
                else:
                    if not hasattr(effect, "__next__"):
                        effect = self.__dict__["side_effect"] = iter(effect)
                    answer = next(effect)
                    if isinstance(answer, BaseException) or (
                        isinstance(answer, type) and issubclass(answer, BaseException)
                    ):
                        raise answer
                if answer is not DEFAULT:
                    return answer
            if self._mock_value is _missing and self._mock_wraps is not None:
                return self._mock_wraps(*args, **kwargs)
            return self.return_value

    class MagicMock(Mock):
        """A mock that answers to operators too."""

    class AsyncMock(MagicMock):
        """A mock whose call is awaited."""

        def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
            self._mock_note(args, kwargs)

            async def answer() -> Any:
                made = self._mock_answer(args, kwargs)
                return await made if inspect.isawaitable(made) else made

            return answer()

        @property
        def await_count(self) -> int:
            return int(self.call_count)

        def assert_awaited_once(self) -> None:
            self.assert_called_once()

        def assert_awaited_once_with(self, /, *args: Any, **kwargs: Any) -> None:
            self.assert_called_once_with(*args, **kwargs)

    def answering(name: str) -> property:
        def child(self: Any) -> Any:
            made = self._mock_children.get(name)
            if made is not None:
                return functools.partial(made, self) if type(made) is types.FunctionType else made
            kind = AsyncMock if name in ("__aenter__", "__aexit__") else MagicMock
            first: Any = _DEFAULTS.get(name, iter(()) if name == "__iter__" else _missing)
            made = self._mock_children[name] = kind(name=name, return_value=first)
            return made

        return property(child)

    for name in _ANSWERING:
        setattr(MagicMock, name, answering(name))

    # Names exchanged for a while

    def resolved(target: str) -> tuple[Any, str]:
        path, _, last = plain_name(target).rpartition(".")
        first, *rest = path.split(".")
        for one in rest:
            if is_dunder(one):
                raise AttributeError(f"attribute {one!r} cannot be exchanged")
        if first == "builtins" and not rest:
            if last not in _SHARED:
                raise AttributeError(f"the built-in function {last!r} cannot be exchanged")
            return context.guard.builtins, last
        owner, name = context.names_of_module(first) if first == "__main__" else context.offered(first), first
        for one in rest:
            name = f"{name}.{one}"
            below = context.offered(name)
            if below is None:
                below = owner[one] if type(owner) is dict else context.guard.getattr(owner, one)
            owner = below
        if owner is None:
            raise ModuleNotFoundError(f"No module named {first!r}", name=first)
        return owner, last

    def names_to_change(owner: Any, name: str) -> dict[str, Any] | None:
        """Return the dict that holds a module's or the program's names; None for other objects."""
        if is_dunder(name) or not name.isidentifier():
            raise AttributeError(f"attribute {name!r} cannot be exchanged")
        if type(owner) is Module:
            return vars(owner)
        return owner if type(owner) is dict else None

    class Patch:
        """Exchanges one attribute while it is entered, or while a function runs."""

        def __init__(self, find: Callable[[], tuple[Any, str]], new: Any, options: dict[str, Any]) -> None:
            self._patch_find, self._patch_new, self._patch_options = find, new, options
            self._patch_undo: list[Any] = []

        def __enter__(self) -> Any:
            owner, name = self._patch_find()
            names = names_to_change(owner, name)
            if names is None:
                old = context.guard.getattr(owner, name)
                held = old
                if type(owner) is not SysFace and hasattr(owner, "__dict__"):
                    held = context.guard.names_of(owner).get(name, _missing)
            else:
                old = held = names.get(name, _missing)
                if old is _missing:
                    raise AttributeError(f"{owner!r} does not have the attribute {name!r}")
            new = self._patch_new
            if new is _missing:
                options = dict(self._patch_options)
                kind = options.pop("new_callable", None)
                if kind is None:
                    kind = AsyncMock if inspect.iscoroutinefunction(old) else MagicMock
                new = kind(**options)
            self._patch_undo.append((owner, name, names, held))
            self._patch_put(owner, name, names, new)
            return new

        def _patch_put(self, owner: Any, name: str, names: dict[str, Any] | None, value: Any) -> None:
            if names is not None:
                names[name] = value
            elif value is _missing:
                context.guard.delattr(owner, name)
            else:
                context.guard.setattr(owner, name, value)

        def __exit__(self, *_exc: object) -> None:
            self._patch_put(*self._patch_undo.pop())

        def start(self) -> Any:
            return self.__enter__()

        def stop(self) -> None:
            self.__exit__()

        def __call__(self, thing: Any) -> Any:
            if isinstance(thing, type):
                for name, value in context.guard.names_of(thing).items():
                    if name.startswith("test") and type(value) is types.FunctionType:
                        context.guard.setattr(thing, name, self(value))
                return thing
            chain = getattr(thing, "_patch_chain", None)
            if type(thing) is types.FunctionType and type(chain) is list:
                chain.append(self)
                return thing
            chain = [self]

            def entered(stack: Any) -> list[Any]:
                fakes = [(one, stack.enter_context(one)) for one in chain]
                return [fake for one, fake in fakes if one._patch_new is _missing]

            def patched(*args: Any, **kwargs: Any) -> Any:
                with contextlib.ExitStack() as stack:
                    return thing(*args, *entered(stack), **kwargs)

            async def patched_async(*args: Any, **kwargs: Any) -> Any:
                with contextlib.ExitStack() as stack:
                    return await thing(*args, *entered(stack), **kwargs)

            made: Any = patched_async if inspect.iscoroutinefunction(thing) else patched
            if type(thing) is types.FunctionType:
                made.__dict__.update(thing.__dict__)
            made.__name__, made.__doc__ = thing.__name__, thing.__doc__
            made._patch_chain = chain
            return made

    class PatchDict:
        """Changes a dict while it is entered."""

        def __init__(self, in_dict: Any, values: Any = (), clear: bool = False, **more: Any) -> None:
            if type(in_dict) is str:
                owner, name = resolved(in_dict)
                in_dict = context.guard.getattr(owner, name)
            self._patch_dict, self._patch_values, self._patch_clear = in_dict, {**dict(values), **more}, clear
            self._patch_before: list[Any] = []

        def __enter__(self) -> Any:
            self._patch_before.append(dict(self._patch_dict))
            if self._patch_clear:
                self._patch_dict.clear()
            self._patch_dict.update(self._patch_values)
            return self._patch_dict

        def __exit__(self, *_exc: object) -> None:
            self._patch_dict.clear()
            self._patch_dict.update(self._patch_before.pop())

        def start(self) -> Any:
            return self.__enter__()

        def stop(self) -> None:
            self.__exit__()

        def __call__(self, thing: Any) -> Any:
            def patched(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return thing(*args, **kwargs)

            patched.__name__ = thing.__name__
            return patched

    class Patcher:
        """`unittest.mock.patch`."""

        dict = PatchDict

        def __call__(self, target: str, new: Any = _missing, **options: Any) -> Any:
            return Patch(lambda: resolved(target), new, options)

        def object(self, target: Any, attribute: str, new: Any = _missing, **options: Any) -> Any:
            name = plain_name(attribute)
            if type(target) is dict:
                raise TypeError("patch.object() is for attributes; patch.dict() is for items")
            return Patch(lambda: (target, name), new, options)

        def __repr__(self) -> str:
            return "<function patch>"

    def mock_open(mock: Any = None, read_data: Any = "") -> Any:
        def opened(*_args: Any, **_options: Any) -> Any:
            return io.BytesIO(read_data) if isinstance(read_data, bytes) else io.StringIO(read_data)

        made = MagicMock(name="open") if mock is None else mock
        made.side_effect = opened
        return made

    def create_autospec(spec: Any, *_args: Any, **options: Any) -> Any:
        return MagicMock(spec=spec, **options)

    DEFAULT = Sentinel("DEFAULT")

    kinds = (NonCallableMock, Mock, MagicMock, AsyncMock)
    for kind in (*kinds, Patch, PatchDict, Patcher, Call, Sentinel):
        present(kind, "unittest.mock")
    functions = {one.__name__: one for one in (mock_open, create_autospec)}
    offered: dict[str, Any] = {kind.__name__: kind for kind in kinds} | functions
    offered |= {"patch": Patcher(), "call": Call(("", (), {})), "ANY": _Any(), "DEFAULT": DEFAULT, "sentinel": _Sentinels()}
    return {"unittest.mock": offered}, []
