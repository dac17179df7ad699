"""Applies the policy of `names` to a program's syntax tree, and collects everything it refuses.

RestrictedPython's transformer refuses each kind of node that nobody judged; here are our judgements.
What is harmless on every object is compiled as it stands, so it runs at native speed; what depends on
the object becomes a call of a guard, under a name that no program can write (`<getattr>`).
"""

from __future__ import annotations

import ast
from _string import formatter_field_name_split, formatter_parser  # type: ignore[import-not-found]
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from RestrictedPython.transformer import RestrictingNodeTransformer

from dspex.languages.restricted.names import (
    ABSENT_BUILTINS,
    DEFINABLE,
    GLOBAL_NAMES,
    HINTS,
    Verdict,
    is_dunder,
    judge_read,
    judge_write,
    mangled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FINDINGS_MAX = 200
_FUTURE = "__future__"
_DICT_CHANGERS = frozenset({"update", "setdefault", "pop", "popitem", "clear"})
_NESTED_SPECS_MAX = 2


class RestrictedFinding(NamedTuple):
    """One thing that a program says and must not say."""

    line: int
    column: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a program is compiled against."""

    private: frozenset[str]
    """Names beginning with an underscore that classes of the host use."""
    modules: Mapping[str, frozenset[str]]
    """Names that each offered module has."""
    hints: Mapping[str, str]
    """What to do instead of importing a module, by its name."""
    is_local: Callable[[str], bool]
    """Tells whether a module is among the program's own files."""


def names_in_format(text: str, depth: int = 0) -> Iterator[str]:
    """Yield the attributes that `text.format(...)` would follow, parsed as it parses them.

    Raises:
        ValueError: It is no format text; formatting it raises the same.

    Example:
        >>> list(names_in_format("{0.real:{w.size}} {x[a].b}"))
        ['real', 'size', 'b']
    """
    for _, field, spec, _ in formatter_parser(text):
        if field:
            _, rest = formatter_field_name_split(field)
            yield from (str(part) for is_attribute, part in rest if is_attribute)
        if spec and depth < _NESTED_SPECS_MAX:
            yield from names_in_format(spec, depth + 1)


class RestrictedTransformer(RestrictingNodeTransformer):
    """The policy class. `findings` is filled; a program with any must not be compiled.

    Example:
        >>> around = Surroundings(frozenset(), {}, {}, lambda name: False)
        >>> policy = RestrictedTransformer(around)
        >>> changed = policy.judge(ast.parse("import os; (1).__class__.__base__.__subclasses__; f.__globals__"))
        >>> [(one.column, one.message) for one in policy.findings]
        [(1, "module 'os' is not offered"), (51, "attribute '__globals__' is not reachable")]
    """

    def __init__(self, surroundings: Surroundings, package: str = "") -> None:
        """Judge programs for one place.

        Args:
            surroundings: What there is.
            package: Package of the program's own that the source belongs to, for relative imports.
        """
        super().__init__(None, None, None)
        self._around = surroundings
        self._package = package
        self._scopes: list[str | None] = [None]
        self._bound: Counter[str] = Counter()
        self._modules: dict[str, str] = {}
        self._hoisted: list[list[ast.stmt]] = []
        self._hoists = 0
        self.findings: list[RestrictedFinding] = []
        self.guarded: set[str] = set()
        """Attributes for which the compiled program asks a set of types that are known to be fine."""

    def judge(self, tree: ast.AST) -> Any:
        """Return the tree to be compiled, provided that there are no findings."""
        self._note_bindings(tree)
        changed: ast.AST = self.visit(tree)
        self.findings = sorted(set(self.findings))[:FINDINGS_MAX]
        return changed

    def _note_bindings(self, tree: ast.AST) -> None:
        """Note what names the program binds, to tell its own `compile` from the built-in one."""
        imported: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self._bound[node.id] += 1
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._bound[node.name] += 1
            elif isinstance(node, ast.arg):
                self._bound[node.arg] += 1
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                self._bound[node.name] += 1
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self._bound[name] += 1
                    if isinstance(node, ast.Import) and (alias.asname or "." not in alias.name):
                        imported[name] = alias.name
        self._modules = {name: of for name, of in imported.items() if self._bound[name] == 1}

    # What the base class asks for.

    def error(self, node: ast.AST, info: str, hint: str = "") -> None:
        """Note a finding."""
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1
        if len(self.findings) < 8 * FINDINGS_MAX:
            self.findings.append(RestrictedFinding(line, column, info, hint))

    def not_allowed(self, node: ast.AST) -> None:
        """Refuse a kind of syntax that nobody has judged."""
        self.error(node, f"{type(node).__name__} is not known to restricted Python")

    # Names.

    @property
    def _in_class(self) -> bool:
        """Whether a name that is bound here becomes an attribute of a class."""
        return self._scopes[-1] is not None and self._scopes[-1] != ""

    @property
    def _class_name(self) -> str | None:
        return next((one for one in reversed(self._scopes) if one), None)

    def _check_bound(self, node: ast.AST, name: str | None) -> None:
        if name is None or not is_dunder(name):
            return
        if self._in_class:
            if name in ("__getattr__", "__getattribute__") and not isinstance(node, ast.FunctionDef):
                self.error(node, f"{name!r} must be defined with def")
            if name in DEFINABLE:
                return
        elif name in GLOBAL_NAMES and name not in ("__class__", "__debug__"):
            return
        self.error(node, f"name {name!r} cannot be bound", HINTS.get(name, ""))

    def _check_read(self, node: ast.AST, name: str) -> None:
        if is_dunder(name) and name not in GLOBAL_NAMES and name not in DEFINABLE:
            self.error(node, f"name {name!r} is not reachable", HINTS.get(name, ""))
        elif name in ABSENT_BUILTINS and name not in self._bound:
            self.error(node, f"{name}() is not offered", HINTS.get(name, ""))

    def visit_Name(self, node: ast.Name) -> Any:
        """Judge a name."""
        if isinstance(node.ctx, ast.Load):
            self._check_read(node, node.id)
        else:
            self._check_bound(node, node.id)
        return node

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> Any:
        """Judge names that are declared; binding them is judged where it happens."""
        for name in node.names:
            if is_dunder(name):
                self.error(node, f"name {name!r} cannot be declared")
        return node

    visit_Nonlocal = visit_Global

    def visit_keyword(self, node: ast.keyword) -> Any:
        """Judge the name of an argument: some callables make an attribute of it."""
        if node.arg is not None and is_dunder(node.arg):
            self.error(node, f"argument name {node.arg!r} is not offered")
        return self.node_contents_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> Any:
        """Judge the name an exception is caught under."""
        self._check_bound(node, node.name)
        return self.node_contents_visit(node)

    # Attributes.

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """Leave, guard or refuse an attribute."""
        name = mangled(node.attr, self._class_name)
        if not isinstance(node.ctx, ast.Load):
            return self._written(node, name)
        if self._is_dict_change(node, name):
            inner = node.value
            assert isinstance(inner, ast.Attribute)
            node.value = self._guard(node, "<instance dict>", self.visit(inner.value))
            return node
        self._check_module(node, name)
        verdict = judge_read(name, self._around.private)
        if verdict is Verdict.REFUSED:
            self.error(node, f"attribute {name!r} is not reachable", HINTS.get(name, ""))
            return node
        node.value = self.visit(node.value)
        return node if verdict is Verdict.FREE else self._read_guarded(node, name)

    def _is_dict_change(self, node: ast.Attribute, name: str) -> bool:
        inner = node.value
        return (
            name in _DICT_CHANGERS and isinstance(inner, ast.Attribute) and inner.attr == "__dict__"
        )

    def _check_module(self, node: ast.Attribute, name: str) -> None:
        """Say at once that a module is imported for something that it does not have here."""
        if isinstance(node.value, ast.Name):
            module = self._modules.get(node.value.id, "")
            offered = self._around.modules.get(module)
            if offered is not None and name not in offered and f"{module}.{name}" not in self._around.modules:
                hint = self._around.hints.get(f"{module}.{name}", "")
                self.error(node, f"'{module}.{name}' is not offered", hint)

    def _read_guarded(self, node: ast.Attribute, name: str) -> Any:
        constant = _at(node, ast.Constant(name))
        asked = self._guard(node, "<getattr>", node.value, constant)
        if not isinstance(node.value, ast.Name) or is_dunder(name):
            return asked
        # Of an object whose type is known to be fine, the attribute is read without a call.
        self.guarded.add(name)
        twice = ast.copy_location(ast.Name(node.value.id, ast.Load()), node.value)
        kind = self._guard(node, "<type>", twice)
        known = _at(node, ast.Name(f"<fine {name}>", ast.Load()))
        test = _at(node, ast.Compare(kind, [ast.In()], [known]))
        return _at(node, ast.IfExp(test, node, asked))

    def _written(self, node: ast.Attribute, name: str) -> Any:
        verdict = judge_write(name, self._around.private)
        if verdict is Verdict.REFUSED:
            self.error(node, f"attribute {name!r} cannot be changed", HINTS.get(name, ""))
            return node
        node.value = self.visit(node.value)
        if verdict is Verdict.FREE:
            return node
        slot = self._guard(node, "<slot>", node.value, _at(node, ast.Constant(name)))
        return _at(node, ast.Subscript(slot, _at(node, ast.Constant(0)), node.ctx))

    # Assignments in functions to attributes that need a look: a type that is known to be fine needs none again.

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Assign to one attribute without a call where the object's type is known; the value comes first."""
        if len(node.targets) != 1 or not self._is_quick(node.targets[0]):
            return self.node_contents_visit(node)
        return self._quick(node, node.targets[0], self.visit(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Do the same for a target with an annotation, which a function does not evaluate."""
        if node.value is None or not self._is_quick(node.target):
            return self.node_contents_visit(node)
        self.visit(node.annotation)
        return self._quick(node, node.target, self.visit(node.value))

    def _quick(self, node: ast.stmt, target: Any, value: Any) -> list[ast.stmt]:
        # Computing the value may bind the owner's name anew, so it comes before the look.
        kept = _at(node, ast.Assign([_at(node, ast.Name("<value>", ast.Store()))], value))
        test, plain, slot = self._both_ways(target)
        load = _at(node, ast.Name("<value>", ast.Load()))
        chosen = ast.If(test, [_at(node, ast.Assign([plain], load))], [_at(node, ast.Assign([slot], load))])
        gone = ast.Delete([_at(node, ast.Name("<value>", ast.Del()))])
        return [kept, _at(node, chosen), _at(node, gone)]

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """Change one attribute without a call where the object's type is known."""
        target: Any = node.target
        if not self._is_quick(target):
            return self.node_contents_visit(node)
        value = self.visit(node.value)
        test, plain, slot = self._both_ways(target)
        # The owner is taken right after the look, and once.
        quick = _at(node, ast.AugAssign(plain, node.op, value))
        return _at(node, ast.If(test, [quick], [_at(node, ast.AugAssign(slot, node.op, value))]))

    def _is_quick(self, target: ast.AST) -> bool:
        if self._scopes[-1] != "" or not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
            return False
        name = mangled(target.attr, self._class_name)
        guarded = judge_write(name, self._around.private) is Verdict.GUARDED
        return name.startswith("_") and not is_dunder(name) and guarded

    def _both_ways(self, target: ast.Attribute) -> tuple[Any, Any, Any]:
        """Return the test for a known type, the plain target, and the one with a look."""
        assert isinstance(target.value, ast.Name)
        owner = target.value.id
        name = mangled(target.attr, self._class_name)
        read = _at(target, ast.Name(owner, ast.Load()))
        slot = self._written(_at(target, ast.Attribute(read, target.attr, ast.Store())), name)
        self.guarded.add(f"= {name}")
        kind = self._guard(target, "<type>", _at(target, ast.Name(owner, ast.Load())))
        known = _at(target, ast.Name(f"<fine = {name}>", ast.Load()))
        return _at(target, ast.Compare(kind, [ast.In()], [known])), target, slot

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """Leave items alone, but let `x.__dict__[name] = ...` reach the object."""
        inner = node.value
        if (
            not isinstance(node.ctx, ast.Load)
            and isinstance(inner, ast.Attribute)
            and inner.attr == "__dict__"
        ):
            node.value = self._guard(node, "<instance dict>", self.visit(inner.value))
            node.slice = self.visit(node.slice)
            return node
        return self.node_contents_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        """Judge format texts at once where they are written out; have others looked at."""
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in ("format", "format_map"):
            value = function.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                self._check_format(value, value.value)
                node.args = [self.visit(one) for one in node.args]
                node.keywords = [self.visit(one) for one in node.keywords]
                return node
        return self.node_contents_visit(node)

    def _check_format(self, node: ast.AST, text: str) -> None:
        try:
            for name in names_in_format(text):
                if judge_read(name, self._around.private) is not Verdict.FREE:
                    self.error(node, f"attribute {name!r} is not reachable in a format", "use an f-string")
        except ValueError:
            pass  # formatting will say so

    # Imports become plain assignments from guards: nothing of the import system runs.

    def visit_Import(self, node: ast.Import) -> Any:
        """Replace an import by the module that is offered under that name."""
        made: list[ast.stmt] = []
        for alias in node.names:
            self._check_module_name(node, alias.name)
            bound = alias.asname or alias.name.partition(".")[0]
            self._check_bound(node, bound)
            whole = _at(node, ast.Constant(alias.asname is not None))
            got = self._guard(node, "<import>", _at(node, ast.Constant(alias.name)), whole)
            made.append(_at(node, ast.Assign([_at(node, ast.Name(bound, ast.Store()))], got)))
        return made

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """Replace an import by the names that are offered."""
        if node.module == _FUTURE and not node.level:
            return node
        module = self._absolute(node)
        if not self._check_module_name(node, module):
            return node
        offered = self._around.modules.get(module)
        made: list[ast.stmt] = []
        for alias in self._expanded(node, offered):
            known = offered is None or alias.name in offered
            if not known and f"{module}.{alias.name}" not in self._around.modules:
                hint = self._around.hints.get(f"{module}.{alias.name}", "")
                self.error(node, f"'{module}.{alias.name}' is not offered", hint)
            elif is_dunder(alias.name) and alias.name not in GLOBAL_NAMES:
                self.error(node, f"name {alias.name!r} is not reachable")
            bound = alias.asname or alias.name
            self._check_bound(node, bound)
            where, what = _at(node, ast.Constant(module)), _at(node, ast.Constant(alias.name))
            got = self._guard(node, "<import from>", where, what)
            made.append(_at(node, ast.Assign([_at(node, ast.Name(bound, ast.Store()))], got)))
        return made

    def _expanded(self, node: ast.ImportFrom, offered: frozenset[str] | None) -> list[ast.alias]:
        if node.names[0].name != "*":
            return node.names
        if offered is None:
            self.error(node, "a file of the program's own cannot be imported with *", "name what is wanted")
            return []
        return [ast.alias(name) for name in sorted(offered) if not name.startswith("_")]

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        if not self._package:
            self.error(node, "there is no package that a relative import could begin in")
        above = self._package.split(".")
        kept = above[: len(above) - node.level + 1]
        return ".".join([*kept, node.module] if node.module else kept)

    def _check_module_name(self, node: ast.AST, name: str) -> bool:
        if name in self._around.modules or self._around.is_local(name):
            return True
        hint = self._around.hints.get(name) or self._around.hints.get(name.partition(".")[0], "")
        self.error(node, f"module {name!r} is not offered", hint)
        return False

    # Functions and classes.

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        """Judge a function's name; hide what numpy must not find behind `__getattr__`."""
        self._check_bound(node, node.name)
        answers = self._in_class and node.name in ("__getattr__", "__getattribute__")
        # Decorators, defaults and annotations belong to the scope around.
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        node.args = self.visit(node.args)
        if node.returns is not None:
            node.returns = self.visit(node.returns)
        self._visit_type_params(node)
        self._scopes.append("")
        node.body = self._visited_body(node.body)
        self._scopes.pop()
        if answers:
            node.decorator_list.insert(0, _at(node, ast.Name("<answers>", ast.Load())))
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        """Judge a lambda's parts."""
        node.args = self.visit(node.args)
        self._scopes.append("")
        node.body = self.visit(node.body)
        self._scopes.pop()
        return node

    def visit_arg(self, node: ast.arg) -> Any:
        """Judge a parameter's name."""
        if is_dunder(node.arg):
            self.error(node, f"name {node.arg!r} cannot be bound")
        return self.node_contents_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Judge a class; its bases and metaclass are looked at when it is made."""
        self._check_bound(node, node.name)
        node.decorator_list = [self.visit(one) for one in node.decorator_list]
        node.bases = [self.visit(one) for one in node.bases]
        node.keywords = [self.visit(one) for one in node.keywords]
        self._visit_type_params(node)
        self._scopes.append(node.name)
        node.body = self._visited_body(node.body)
        self._scopes.pop()
        return node

    def _visit_type_params(self, node: Any) -> None:
        if getattr(node, "type_params", None):
            node.type_params = [self.visit(one) for one in node.type_params]

    def _visited_body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            changed = self.visit(statement)
            if isinstance(changed, list):
                made += changed
            else:
                made.append(changed)
        return made

    def visit_type_parameter(self, node: Any) -> Any:
        """Judge a type parameter of Python 3.12 and later."""
        self._check_bound(node, node.name)
        return self.node_contents_visit(node)

    visit_TypeVar = visit_ParamSpec = visit_TypeVarTuple = visit_type_parameter

    # Patterns name attributes too, and classes whose `__match_args__` do.

    def visit_Match(self, node: ast.Match) -> Any:
        """Look at the classes of positional patterns before they are matched against."""
        self._hoisted.append([])
        node.subject = self.visit(node.subject)
        for case in node.cases:
            case.pattern = self.visit(case.pattern)
            if case.guard is not None:
                case.guard = self.visit(case.guard)
            case.body = self._visited_body(case.body)
        return [*self._hoisted.pop(), node]

    def visit_MatchClass(self, node: ast.MatchClass) -> Any:
        """Judge the attributes that a pattern reads."""
        self._check_dotted(node.cls)
        for name in node.kwd_attrs:
            if judge_read(mangled(name, self._class_name), self._around.private) is not Verdict.FREE:
                self.error(node, f"attribute {name!r} cannot be matched", HINTS.get(name, ""))
        node.patterns = [self.visit(one) for one in node.patterns]
        node.kwd_patterns = [self.visit(one) for one in node.kwd_patterns]
        if node.patterns:
            name = f"<match {self._hoists}>"
            self._hoists += 1
            looked_at = self._guard(node, "<match class>", node.cls)
            target = _at(node, ast.Name(name, ast.Store()))
            self._hoisted[-1].append(_at(node, ast.Assign([target], looked_at)))
            node.cls = _at(node, ast.Name(name, ast.Load()))
        return node

    def visit_MatchValue(self, node: ast.MatchValue) -> Any:
        """Judge a dotted name; numbers and texts need no judgement."""
        self._check_dotted(node.value)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> Any:
        """Judge keys and the name of the rest."""
        for key in node.keys:
            self._check_dotted(key)
        self._check_bound(node, node.rest)
        node.patterns = [self.visit(one) for one in node.patterns]
        return node

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> Any:
        """Judge the name that is bound."""
        self._check_bound(node, node.name)
        return self.node_contents_visit(node)

    visit_MatchStar = visit_MatchAs

    def _check_dotted(self, node: ast.AST) -> None:
        """Judge an expression of a pattern, where no call can stand."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                self._check_read(part, part.id)
            elif isinstance(part, ast.Attribute):
                name = mangled(part.attr, self._class_name)
                if judge_read(name, self._around.private) is not Verdict.FREE:
                    self.error(part, f"attribute {name!r} cannot be matched")

    def _guard(self, node: ast.AST, name: str, *arguments: Any) -> Any:
        return _at(node, ast.Call(_at(node, ast.Name(name, ast.Load())), list(arguments), []))

    # What has nothing to judge but its parts. A kind that is not listed, here or above, is refused.

    def _plain(self, node: ast.AST) -> Any:
        return self.node_contents_visit(node)

    visit_Module = visit_Expression = visit_Expr = visit_Constant = _plain
    visit_List = visit_Tuple = visit_Set = visit_Dict = visit_Starred = visit_Slice = _plain
    visit_JoinedStr = visit_FormattedValue = visit_TemplateStr = visit_Interpolation = _plain
    visit_UnaryOp = visit_BinOp = visit_BoolOp = visit_Compare = visit_IfExp = _plain
    visit_NamedExpr = visit_Await = visit_Yield = visit_YieldFrom = visit_arguments = _plain
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _plain
    visit_comprehension = _plain
    visit_Delete = visit_Return = _plain
    visit_If = visit_For = visit_While = visit_Break = visit_Continue = visit_Pass = _plain
    visit_AsyncFor = visit_AsyncWith = visit_With = visit_withitem = _plain
    visit_Try = visit_TryStar = visit_Raise = visit_Assert = visit_TypeAlias = _plain
    visit_MatchSequence = visit_MatchOr = visit_MatchSingleton = visit_match_case = _plain

    def _leaf(self, node: ast.AST) -> Any:
        return node

    visit_Load = visit_Store = visit_Del = visit_And = visit_Or = visit_Not = _leaf
    visit_Add = visit_Sub = visit_Mult = visit_Div = visit_Mod = visit_Pow = visit_MatMult = _leaf
    visit_LShift = visit_RShift = visit_BitOr = visit_BitXor = visit_BitAnd = _leaf
    visit_FloorDiv = visit_Invert = visit_UAdd = visit_USub = visit_In = visit_NotIn = _leaf
    visit_Eq = visit_NotEq = visit_Lt = visit_LtE = visit_Gt = visit_GtE = visit_Is = visit_IsNot = _leaf


def _at(place: Any, node: Any) -> Any:
    """Give a new node the place of an old one, for tracebacks."""
    node.lineno, node.col_offset = place.lineno, place.col_offset
    node.end_lineno, node.end_col_offset = place.end_lineno, place.end_col_offset
    return node
