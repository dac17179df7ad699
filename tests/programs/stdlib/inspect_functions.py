# /// program
# about = "inspect, ast, dis, types: signatures, docs, members, dynamic classes, source positions."
# value = "('caller', 'caller')"
# stdout = '''
# (width: float, /, height: float = 1.0, *, unit: str = 'm') -> float ['POSITIONAL_ONLY', 'POSITIONAL_OR_KEYWORD', 'KEYWORD_ONLY']
# Area of a rectangle. {'width': 2, 'unit': 'cm'}
# False False True
# ['extra', 'greet'] 7 Base
# namespace(a=1, b=2) 1 ('width', 'height', 'unit')
# True (1.0,) {'unit': 'm'}
# missing a required argument: 'width'
# '''
# ///
import dis
import inspect
import types


def area(width: float, /, height: float = 1.0, *, unit: str = "m") -> float:
    """Area of a rectangle.

    More text.
    """
    return width * height


class Base:
    def greet(self):
        return "base"


signature = inspect.signature(area)
print(signature, [p.kind.name for p in signature.parameters.values()])
print(inspect.getdoc(area).splitlines()[0], signature.bind(2, unit="cm").arguments)
print(inspect.isgeneratorfunction(area), inspect.iscoroutinefunction(area), inspect.isclass(Base))
Dynamic = types.new_class("Dynamic", (Base,), {}, lambda ns: ns.update(extra=lambda self: 7))
print([n for n, _ in inspect.getmembers(Dynamic, inspect.isfunction)], Dynamic().extra(), Dynamic.__mro__[1].__name__)
space = types.SimpleNamespace(a=1)
space.b = 2
print(space, types.MappingProxyType({"x": 1})["x"], area.__code__.co_varnames)
print(any(i.opname.startswith("RETURN") for i in dis.get_instructions(area)), area.__defaults__, area.__kwdefaults__)


def caller():
    return inspect.currentframe().f_code.co_name, inspect.stack()[0].function


try:
    signature.bind()
except TypeError as error:
    print(error)
caller()
