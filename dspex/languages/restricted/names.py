"""Which names and attributes a restricted program may use: the policy in words, without mechanics.

Three answers for an attribute: free (compiled as it stands), refused (a finding before anything
runs), guarded (looked at when it is used, because it depends on the object). `transformer` asks
while compiling and `guards` while running; both get the same answer here.
"""

from __future__ import annotations

from enum import Enum

OPERATORS = frozenset(
    f"__{name}__"
    for name in (
        "init new del repr str bytes format hash bool len length_hint getitem setitem delitem missing "
        "contains iter reversed next call enter exit aenter aexit aiter anext await index int float "
        "complex round trunc floor ceil abs neg pos invert lt le eq ne gt ge "
        "add radd iadd sub rsub isub mul rmul imul matmul rmatmul imatmul truediv rtruediv itruediv "
        "floordiv rfloordiv ifloordiv mod rmod imod divmod rdivmod pow rpow ipow lshift rlshift ilshift "
        "rshift rrshift irshift and rand iand or ror ior xor rxor ixor "
        "get set delete set_name init_subclass class_getitem post_init copy deepcopy dir sizeof fspath "
        "instancecheck subclasscheck subclasshook"
    ).split()
)
"""Methods by which a class says how its objects behave; they may be defined and called."""

READABLE = OPERATORS | {
    "__name__", "__qualname__", "__doc__", "__module__", "__annotations__", "__slots__", "__match_args__",
    "__cause__", "__context__", "__suppress_context__", "__notes__", "__mro__", "__bases__", "__base__",
    "__members__", "__abstractmethods__", "__getattr__", "__version__", "__type_params__", "__value__",
    "__bound__", "__constraints__", "__file__", "__required_keys__", "__optional_keys__", "__total__",
    "__objclass__", "__args__", "__origin__", "__parameters__", "__metadata__", "__supertype__",
}  # fmt: skip
"""Double-underscored attributes that give away nothing wherever they are read."""

ASKED_FOR = frozenset(
    {
        "__class__", "__dict__", "__subclasses__", "__setattr__", "__delattr__", "__getattribute__",
        "__self__", "__func__", "__wrapped__", "__closure__",
    }
)  # fmt: skip
"""Double-underscored attributes that a guard answers, depending on the object."""

DEFINABLE = OPERATORS | {
    "__slots__", "__doc__", "__match_args__", "__getattr__", "__getattribute__", "__setattr__",
    "__delattr__", "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__qualname__",
    "__getnewargs__", "__version__",
}  # fmt: skip
"""Double-underscored names that a class body may bind."""

WRITABLE = frozenset({"__name__", "__qualname__", "__doc__", "__cause__", "__suppress_context__"})
"""Double-underscored attributes that may be assigned."""

ASKED_FOR_WRITES = frozenset({"__dict__", "__class__", "__wrapped__"})
"""Double-underscored attributes whose assignment depends on the object."""

GLOBAL_NAMES = frozenset(
    {
        "__name__", "__doc__", "__file__", "__debug__", "__all__", "__version__", "__author__", "__class__",
        "__annotations__", "__date__", "__license__", "__email__", "__copyright__", "__status__",
    }
)  # fmt: skip
"""Double-underscored names that a program may read; all but `__class__` and `__debug__` it may bind."""

INTROSPECTION = frozenset(
    {
        "tb_frame", "tb_next", "tb_lasti", "f_back", "f_builtins", "f_code", "f_globals", "f_locals", "f_trace",
        "f_generator", "f_lasti", "f_lineno", "f_trace_lines", "f_trace_opcodes",
        "gi_frame", "gi_code", "gi_yieldfrom", "gi_suspended",
        "cr_frame", "cr_code", "cr_await", "cr_origin", "cr_suspended",
        "ag_frame", "ag_code", "ag_await", "ag_suspended",
        "co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_filename",
        "co_lnotab", "co_linetable", "co_exceptiontable", "co_lines", "co_positions", "co_qualname",
        "get_stack", "print_stack", "get_coro", "func_globals", "func_code", "func_closure",
        "im_class", "im_func", "im_self",
    }
)  # fmt: skip
"""Attributes that lead from an object to the interpreter's own frames and code."""

GUARDED_NAMES = frozenset(
    {
        "format", "format_map",  # str's own follow attributes that a text names
        "obj",  # of AttributeError: whatever an attribute was looked up on
        "get_loop",  # of futures: the event loop that runs the program
        "parser",  # of paths: a module
        "evaluate",  # of annotations kept as text
        "from_callable",  # of signatures: runs annotations and defaults that are texts
        "cell_contents",  # of real cells; `guards.Cell` has one too
        "header_factory", "map_to_type",  # of mail policies: make classes of any other
        "implementation", "createDOMBuilder", "createDOMInputSource",  # of documents: load others
        # Of numpy arrays: files, pickles, addresses and other memory.
        "tofile", "dump", "dumps", "ctypes", "data", "setflags", "base", "getfield", "setfield",
        "resize", "newbyteorder",
        "cffi", "capsule",  # of numpy's sources of randomness
    }
)  # fmt: skip
"""Ordinary names that are refused on some types; `guards` says on which."""

GUARDED_WRITES = GUARDED_NAMES | {"strides", "dtype"}
"""Ordinary names that may not be assigned on some types."""

ENUM_AND_TUPLE = frozenset(
    {
        "_replace", "_asdict", "_make", "_fields", "_field_defaults", "_value_", "_name_", "_missing_",
        "_ignore_", "_order_", "_generate_next_value_",
    }
)  # fmt: skip
"""Names that begin with an underscore although they are meant for everybody."""

HIDDEN_FROM_NUMPY = ("__array_interface__", "__array_struct__", "__array_wrap__", "__array_prepare__")
"""Attributes by which an object could tell numpy where in memory to read; no program may have them."""


class Verdict(Enum):
    """What is to be done with an attribute."""

    FREE = "free"
    REFUSED = "refused"
    GUARDED = "guarded"


def is_dunder(name: str) -> bool:
    """Tell whether a name belongs to Python itself."""
    return len(name) > 4 and name.startswith("__") and name.endswith("__")


def mangled(name: str, class_name: str | None) -> str:
    """Return a private name as the compiler makes it inside a class.

    Example:
        >>> mangled("__x", "_Box"), mangled("__x__", "Box")
        ('_Box__x', '__x__')
    """
    if class_name is None or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    stripped = class_name.lstrip("_")
    return f"_{stripped}{name}" if stripped else name


def judge_read(name: str, private: frozenset[str]) -> Verdict:
    """Judge reading an attribute.

    Args:
        name: Of the attribute, as the compiler sees it.
        private: Names beginning with an underscore that classes of the host use.
    """
    if is_dunder(name):
        if name in READABLE:
            return Verdict.FREE
        return Verdict.GUARDED if name in ASKED_FOR else Verdict.REFUSED
    if name in INTROSPECTION:
        return Verdict.REFUSED
    if name in GUARDED_NAMES:
        return Verdict.GUARDED
    return Verdict.GUARDED if name in private and name not in ENUM_AND_TUPLE else Verdict.FREE


def judge_write(name: str, private: frozenset[str]) -> Verdict:
    """Judge assigning or deleting an attribute; the arguments are those of `judge_read`."""
    if is_dunder(name):
        if name in ASKED_FOR_WRITES:
            return Verdict.GUARDED
        return Verdict.FREE if name in WRITABLE else Verdict.REFUSED
    if name in INTROSPECTION:
        return Verdict.REFUSED
    return Verdict.GUARDED if name in GUARDED_WRITES or name in private else Verdict.FREE


HINTS = {
    "__globals__": "a function's module is not reachable; pass values as arguments",
    "__builtins__": "the built-in functions are there under their own names",
    "__subclasses__": "keep a registry of classes with __init_subclass__",
    "__import__": "use an import statement",
    "__code__": "code objects are not reachable",
    "__traceback__": "traceback.format_exc() gives the text",
    "eval": "ast.literal_eval reads data; write the expression itself otherwise",
    "exec": "write the statements themselves, or define a function",
    "compile": "define a function instead",
    "locals": "collect the values in a dict of your own",
    "breakpoint": "print what you want to see",
    "__loader__": "modules are given by hand-made lists here",
    "__spec__": "modules are given by hand-made lists here",
}
"""What to do instead, by refused name."""

ABSENT_BUILTINS = frozenset(
    {"eval", "exec", "compile", "locals", "breakpoint", "copyright", "credits", "license"}
)
"""Built-in functions that a program cannot have."""
