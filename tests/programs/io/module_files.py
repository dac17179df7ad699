# /// program
# about = "Imports a helper module and a package that were given as files, with importlib."
# value = "(42, 1024, 42)"
# stdout = '''
# [10, 20, 30] 49 True Helpers. helpers
# [3, 6, 9] True
# 10 9
# No module named 'not_a_module' not_a_module
# '''
# [files]
# "helpers.py" = '''
# """Helpers."""
#
# SCALE = 10
#
#
# def scale(values):
#     return [v * SCALE for v in values]
# '''
# "shapes/__init__.py" = '''
# from .square import area
# '''
# "shapes/square.py" = '''
# def area(side):
#     return side * side
# '''
# "data.txt" = "1 2 3"
# ///
import importlib
import sys
from pathlib import Path

import helpers
from shapes import area
from shapes.square import area as same

values = list(map(int, Path("data.txt").read_text().split()))
print(helpers.scale(values), area(7), area is same, helpers.__doc__, helpers.__name__)
helpers.SCALE = 3
print(helpers.scale(values), "shapes.square" in sys.modules)
sys.dont_write_bytecode = True
fresh = importlib.reload(helpers)
print(fresh.SCALE, importlib.import_module("shapes").area(3))
try:
    import not_a_module
except ModuleNotFoundError as error:
    print(error, error.name)
namespace = {}
exec("def f(x):\n    return x + 1\n", namespace)
namespace["f"](41), eval("2 ** 10"), eval(compile("a * b", "<expr>", "eval"), {"a": 6, "b": 7})
