"""Way out: restricted Python's own walls, attacked with all that has been published against such.

Each attempt is turned down before it runs, with the exact finding, or fails while it runs, with the
exact exception; a few are granted something harmless, which is spelled out. Then the same attempts run
with the compiler and the guards gone, as plain Python in the same jail, and reach nothing either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

import dspex
from dspex.languages import table
from tests.escape.canary import Canary
from tests.escape.ending import Attempt, ending, names
from tests.escape.processes import children_of_workers
from tests.escape.restricted_library import LIBRARY, TWINS
from tests.restricted.host_python import need_tar_filters

LANGUAGE = "python-restricted"
ATTEMPTS_MIN = 120

SAID = [
    Attempt("globals of a function", "def f(): pass\nf.__globals__", "refused GuestRefused: line 2: attribute '__globals__' is not reachable"),
    Attempt("builtins of a function", "def f(): pass\nf.__builtins__", "refused GuestRefused: line 2: attribute '__builtins__' is not reachable"),
    Attempt("code of a function", "def f(): pass\nf.__code__", "refused GuestRefused: line 2: attribute '__code__' is not reachable"),
    Attempt("code replaced", "def f(): pass\ndef g(): pass\nf.__code__ = g", "refused GuestRefused: line 3: attribute '__code__' cannot be changed"),
    Attempt("defaults of the host's function", "import json\njson.dumps.__defaults__ = ()", "refused GuestRefused: line 2: attribute '__defaults__' cannot be changed"),
    Attempt("keyword defaults of the host's function", "import json\njson.dumps.__kwdefaults__", "refused GuestRefused: line 2: attribute '__kwdefaults__' is not reachable"),
    Attempt("builtins by name", "__builtins__", "refused GuestRefused: line 1: name '__builtins__' is not reachable"),
    Attempt("builtins replaced", "__builtins__ = {}", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("class builder by name", "__build_class__", "refused GuestRefused: line 1: name '__build_class__' is not reachable"),
    Attempt("loader by name", "__loader__", "refused GuestRefused: line 1: name '__loader__' is not reachable"),
    Attempt("spec by name", "__spec__", "refused GuestRefused: line 1: name '__spec__' is not reachable"),
    Attempt("frame of a generator (CVE-2023-37271)", "g = (x for x in [1])\ng.gi_frame.f_back", "refused GuestRefused: line 2: attribute 'f_back' is not reachable"),
    Attempt("code of a generator", "g = (x for x in [1])\ng.gi_code", "refused GuestRefused: line 2: attribute 'gi_code' is not reachable"),
    Attempt("generator inside (CVE-2023-37271)", "g = (x for x in [1])\ng.gi_yieldfrom", "refused GuestRefused: line 2: attribute 'gi_yieldfrom' is not reachable"),
    Attempt("frame of a coroutine", "async def f(): pass\nc = f()\nc.cr_frame", "refused GuestRefused: line 3: attribute 'cr_frame' is not reachable"),
    Attempt("what a coroutine awaits", "async def f(): pass\nf().cr_await", "refused GuestRefused: line 2: attribute 'cr_await' is not reachable"),
    Attempt("frame of an asynchronous generator", "async def f(): yield 1\nf().ag_frame", "refused GuestRefused: line 2: attribute 'ag_frame' is not reachable"),
    Attempt("frame of a traceback", "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    e.__traceback__.tb_frame", "refused GuestRefused: line 4: attribute 'tb_frame' is not reachable"),
    Attempt("frames behind", "def f(x): return x.f_back.f_globals['__builtins__']", "refused GuestRefused: line 1: attribute 'f_globals' is not reachable"),
    Attempt("next traceback", "def f(x): return x.tb_next", "refused GuestRefused: line 1: attribute 'tb_next' is not reachable"),
    Attempt("built-ins of a frame", "def f(x): return x.f_builtins", "refused GuestRefused: line 1: attribute 'f_builtins' is not reachable"),
    Attempt("locals of a frame", "def f(x): return x.f_locals", "refused GuestRefused: line 1: attribute 'f_locals' is not reachable"),
    Attempt("eval", "eval('1 + 1')", "refused GuestRefused: line 1: eval() is not offered"),
    Attempt("exec", "exec('import os')", "refused GuestRefused: line 1: exec() is not offered"),
    Attempt("compile", "compile('1', 'x', 'eval')", "refused GuestRefused: line 1: compile() is not offered"),
    Attempt("locals", "locals()", "refused GuestRefused: line 1: locals() is not offered"),
    Attempt("breakpoint", "breakpoint()", "refused GuestRefused: line 1: breakpoint() is not offered"),
    Attempt("help, which opens a pager", "help()", "raised TypeError: inspect_module.<locals>.help() missing 1 required positional argument: 'thing'"),
    Attempt("reduce", "(1).__reduce_ex__(4)", "refused GuestRefused: line 1: attribute '__reduce_ex__' is not reachable"),
    Attempt("getstate", "[].__getstate__()", "refused GuestRefused: line 1: attribute '__getstate__' is not reachable"),
    Attempt("set state", "ValueError().__setstate__({'__array_interface__': 1})", "refused GuestRefused: line 1: attribute '__setstate__' is not reachable"),
    Attempt("array interface on a class", "class A:\n    __array_interface__ = {'data': (0, False), 'shape': (1,), 'typestr': '<u8', 'version': 3}", "refused GuestRefused: line 2: name '__array_interface__' cannot be bound"),
    Attempt("array interface on an object", "class A: pass\nx = A()\nx.__array_interface__ = {}", "refused GuestRefused: line 3: attribute '__array_interface__' cannot be changed"),
    Attempt("array structure on a class", "class A:\n    __array_struct__ = 1", "refused GuestRefused: line 2: name '__array_struct__' cannot be bound"),
    Attempt("metaclass by mro entries", "class A:\n    def __mro_entries__(self, bases): return (int,)", "refused GuestRefused: line 2: name '__mro_entries__' cannot be bound"),
    Attempt("prepared namespace", "class A:\n    def __prepare__(self): pass", "refused GuestRefused: line 2: name '__prepare__' cannot be bound"),
    Attempt("class cell", "class A:\n    __classcell__ = 1", "refused GuestRefused: line 2: name '__classcell__' cannot be bound"),
    Attempt("fields of a dataclass, forged", "class A:\n    __dataclass_fields__ = {}", "refused GuestRefused: line 2: name '__dataclass_fields__' cannot be bound"),
    Attempt("module name of a class", "class A:\n    __module__ = 'os'", "refused GuestRefused: line 2: name '__module__' cannot be bound"),
    Attempt("keyword with the name of an attribute", "dict(__class__=1)", "refused GuestRefused: line 1: argument name '__class__' is not offered"),
    Attempt("name bound by a loop", "for __builtins__ in [{}]: pass", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("name bound by with", "import contextlib\nwith contextlib.nullcontext({}) as __builtins__: pass", "refused GuestRefused: line 2: name '__builtins__' cannot be bound"),
    Attempt("name bound by except", "try: pass\nexcept ValueError as __builtins__: pass", "refused GuestRefused: line 2: name '__builtins__' cannot be bound"),
    Attempt("name bound by walrus", "(__builtins__ := {})", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("name bound by a pattern", "match {}:\n    case __builtins__: pass", "refused GuestRefused: line 2: name '__builtins__' cannot be bound"),
    Attempt("name bound by the rest of a pattern", "match {}:\n    case {**__builtins__}: pass", "refused GuestRefused: line 2: name '__builtins__' cannot be bound"),
    Attempt("name bound by a starred pattern", "match []:\n    case [*__builtins__]: pass", "refused GuestRefused: line 2: name '__builtins__' cannot be bound"),
    Attempt("name bound by import", "import math as __builtins__", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("name bound by import from", "from math import pi as __builtins__", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("name declared global", "def f():\n    global __builtins__\n    __builtins__ = {}", "refused GuestRefused: line 2: name '__builtins__' cannot be declared (and 1 more)"),
    Attempt("name of a parameter", "def f(__builtins__): pass", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("name of a comprehension's variable", "[1 for __builtins__ in [1]]", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("name deleted", "del __builtins__", "refused GuestRefused: line 1: name '__builtins__' cannot be bound"),
    Attempt("attribute written by a loop", "class A: pass\nfor A.__globals__ in [1]: pass", "refused GuestRefused: line 2: attribute '__globals__' cannot be changed"),
    Attempt("attribute matched by keyword", "match print:\n    case object(__self__=x): x", "refused GuestRefused: line 2: attribute '__self__' cannot be matched"),
    Attempt("attribute matched by keyword, of text", "match 'x':\n    case str(format=f): f", "refused GuestRefused: line 2: attribute 'format' cannot be matched"),
    Attempt("value matched by a dotted name", "import math\nmatch 1:\n    case math.__loader__: pass", "refused GuestRefused: line 3: attribute '__loader__' cannot be matched"),
    Attempt("attribute of a literal format", "'{0.__class__}'.format(1)", "refused GuestRefused: line 1: attribute '__class__' is not reachable in a format"),
    Attempt("attribute in a nested format", "'{0:{1.__class__}}'.format(1, 2)", "refused GuestRefused: line 1: attribute '__class__' is not reachable in a format"),
    Attempt("attribute in a literal format_map", "'{x.__class__}'.format_map({'x': 1})", "refused GuestRefused: line 1: attribute '__class__' is not reachable in a format"),
    Attempt("decorator", "@(lambda f: f.__globals__)\ndef g(): pass", "refused GuestRefused: line 1: attribute '__globals__' is not reachable"),
    Attempt("default argument", "def f(x=(lambda: 0).__globals__): pass", "refused GuestRefused: line 1: attribute '__globals__' is not reachable"),
    Attempt("annotation", "def f(x: (lambda: 0).__globals__): pass", "refused GuestRefused: line 1: attribute '__globals__' is not reachable"),
    Attempt("annotated attribute", "class A: pass\nA.__bases__: int = (str,)", "refused GuestRefused: line 2: attribute '__bases__' cannot be changed"),
    Attempt("base class", "class A((lambda: 0).__globals__): pass", "refused GuestRefused: line 1: attribute '__globals__' is not reachable"),
    Attempt("async comprehension", "async def f(): return [x.cr_frame async for x in y]", "refused GuestRefused: line 1: attribute 'cr_frame' is not reachable"),
    Attempt("starred argument", "print(*(lambda: 0).__globals__)", "refused GuestRefused: line 1: attribute '__globals__' is not reachable"),
    Attempt("augmented assignment", "def f(): pass\nf.__globals__ += 1", "refused GuestRefused: line 2: attribute '__globals__' cannot be changed"),
    Attempt("walrus into an attribute's object", "(f := lambda: 0).__globals__", "refused GuestRefused: line 1: attribute '__globals__' is not reachable"),
    Attempt("exception group handler", "try: pass\nexcept* ValueError as e:\n    e.__traceback__", "refused GuestRefused: line 3: attribute '__traceback__' is not reachable"),
    Attempt("chained exceptions' frames", "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    e.__context__.__traceback__", "refused GuestRefused: line 4: attribute '__traceback__' is not reachable"),
    Attempt("code in a dataclass's field, by a text's subclass", "from dataclasses import dataclass\nclass S(str):\n    def isidentifier(self): return True\nclass A: pass\nA.__annotations__ = {}", "refused GuestRefused: line 5: attribute '__annotations__' cannot be changed"),
    Attempt("module by a default of the host", "import random\nrandom._os", "refused GuestRefused: line 2: 'random._os' is not offered"),
    Attempt("an iterator's reduce", "iter([1]).__reduce__()", "refused GuestRefused: line 1: attribute '__reduce__' is not reachable"),
    Attempt("signal handler by alias", "import time\ntime.sleep.__module__\ntime.__loader__", "refused GuestRefused: line 3: 'time.__loader__' is not offered (and 1 more)"),
    Attempt("exception from the host's depths", "import json\ntry:\n    json.loads('{')\nexcept ValueError as e:\n    e.__traceback__", "refused GuestRefused: line 5: attribute '__traceback__' is not reachable"),
    Attempt("class patterns at depth", "match [print]:\n    case [object(__self__=m)]: m", "refused GuestRefused: line 2: attribute '__self__' cannot be matched"),
]  # fmt: skip

IMPORTED = [
    Attempt("import by name", "__import__('os')", "refused GuestRefused: line 1: name '__import__' is not reachable"),
    Attempt("import function replaced", "def __import__(name): pass", "refused GuestRefused: line 1: name '__import__' cannot be bound"),
    Attempt("import os.system", "import os.system", "refused GuestRefused: line 1: module 'os.system' is not offered"),
    Attempt("import posix", "import posix", "refused GuestRefused: line 1: module 'posix' is not offered"),
    Attempt("import ctypes", "import ctypes", "refused GuestRefused: line 1: module 'ctypes' is not offered"),
    Attempt("import _ctypes", "import _ctypes", "refused GuestRefused: line 1: module '_ctypes' is not offered"),
    Attempt("import marshal", "import marshal", "refused GuestRefused: line 1: module 'marshal' is not offered"),
    Attempt("import importlib", "import importlib", "refused GuestRefused: line 1: module 'importlib' is not offered"),
    Attempt("import builtins", "import builtins", "refused GuestRefused: line 1: module 'builtins' is not offered"),
    Attempt("import multiprocessing", "import multiprocessing", "refused GuestRefused: line 1: module 'multiprocessing' is not offered"),
    Attempt("import code", "import code", "refused GuestRefused: line 1: module 'code' is not offered"),
    Attempt("import sysconfig", "import sysconfig", "refused GuestRefused: line 1: module 'sysconfig' is not offered"),
    Attempt("import mmap", "import mmap", "refused GuestRefused: line 1: module 'mmap' is not offered"),
    Attempt("import signal", "import signal", "refused GuestRefused: line 1: module 'signal' is not offered"),
    Attempt("import resource", "import resource", "refused GuestRefused: line 1: module 'resource' is not offered"),
    Attempt("import fcntl", "import fcntl", "refused GuestRefused: line 1: module 'fcntl' is not offered"),
    Attempt("import tty", "import tty", "refused GuestRefused: line 1: module 'tty' is not offered"),
    Attempt("import pty", "import pty", "refused GuestRefused: line 1: module 'pty' is not offered"),
    Attempt("import imp", "import imp", "refused GuestRefused: line 1: module 'imp' is not offered"),
    Attempt("import runpy", "import runpy", "refused GuestRefused: line 1: module 'runpy' is not offered"),
    Attempt("import sqlite3", "import sqlite3", "refused GuestRefused: line 1: module 'sqlite3' is not offered"),
    Attempt("import http.client", "import http.client", "refused GuestRefused: line 1: module 'http.client' is not offered"),
    Attempt("import numpy.ctypeslib", "import numpy.ctypeslib", "refused GuestRefused: line 1: module 'numpy.ctypeslib' is not offered"),
    Attempt("import numpy.lib.stride_tricks", "import numpy.lib.stride_tricks", "refused GuestRefused: line 1: module 'numpy.lib.stride_tricks' is not offered"),
    Attempt("from sys import modules", "from sys import modules", "refused GuestRefused: line 1: 'sys.modules' is not offered"),
    Attempt("from sys import _getframe", "from sys import _getframe", "refused GuestRefused: line 1: 'sys._getframe' is not offered"),
    Attempt("from sys import settrace", "from sys import settrace", "refused GuestRefused: line 1: 'sys.settrace' is not offered"),
    Attempt("from sys import addaudithook", "from sys import addaudithook", "refused GuestRefused: line 1: 'sys.addaudithook' is not offered"),
    Attempt("from os import system", "from os import system", "refused GuestRefused: line 1: 'os.system' is not offered"),
    Attempt("from os import fork", "from os import fork", "refused GuestRefused: line 1: 'os.fork' is not offered"),
    Attempt("from os import execv", "from os import execv", "refused GuestRefused: line 1: 'os.execv' is not offered"),
    Attempt("from os import popen", "from os import popen", "refused GuestRefused: line 1: 'os.popen' is not offered"),
    Attempt("from os import kill", "from os import kill", "refused GuestRefused: line 1: 'os.kill' is not offered"),
    Attempt("from collections import UserString", "from collections import UserString", "refused GuestRefused: line 1: 'collections.UserString' is not offered"),
    Attempt("from types import CodeType", "from types import CodeType", "refused GuestRefused: line 1: 'types.CodeType' is not offered"),
    Attempt("from types import new_class", "from types import new_class", "refused GuestRefused: line 1: 'types.new_class' is not offered"),
    Attempt("from functools import _lru_cache_wrapper", "from functools import _lru_cache_wrapper", "refused GuestRefused: line 1: 'functools._lru_cache_wrapper' is not offered"),
    Attempt("from io import FileIO", "from io import FileIO", "refused GuestRefused: line 1: 'io.FileIO' is not offered"),
    Attempt("from io import open_code", "from io import open_code", "refused GuestRefused: line 1: 'io.open_code' is not offered"),
    Attempt("from dataclasses import make_dataclass", "from dataclasses import make_dataclass", "refused GuestRefused: line 1: 'dataclasses.make_dataclass' is not offered"),
    Attempt("from typing import ForwardRef", "from typing import ForwardRef", "refused GuestRefused: line 1: 'typing.ForwardRef' is not offered"),
    Attempt("from re import Scanner", "from re import Scanner", "refused GuestRefused: line 1: 're.Scanner' is not offered"),
    Attempt("from numpy import load", "from numpy import load", "refused GuestRefused: line 1: 'numpy.load' is not offered"),
    Attempt("from numpy import memmap", "from numpy import memmap", "refused GuestRefused: line 1: 'numpy.memmap' is not offered"),
    Attempt("from numpy import frombuffer", "from numpy import frombuffer", "refused GuestRefused: line 1: 'numpy.frombuffer' is not offered"),
    Attempt("from numpy import fromfile", "from numpy import fromfile", "refused GuestRefused: line 1: 'numpy.fromfile' is not offered"),
    Attempt("from numpy import ctypeslib", "from numpy import ctypeslib", "refused GuestRefused: line 1: 'numpy.ctypeslib' is not offered"),
    Attempt("from asyncio import create_subprocess_exec", "from asyncio import create_subprocess_exec", "refused GuestRefused: line 1: 'asyncio.create_subprocess_exec' is not offered"),
    Attempt("from asyncio import to_thread", "from asyncio import to_thread", "refused GuestRefused: line 1: 'asyncio.to_thread' is not offered"),
    Attempt("from random import _os", "from random import _os", "refused GuestRefused: line 1: 'random._os' is not offered"),
    Attempt("from json import codecs", "from json import codecs", "refused GuestRefused: line 1: 'json.codecs' is not offered"),
    Attempt("from datetime import sys", "from datetime import sys", "refused GuestRefused: line 1: 'datetime.sys' is not offered"),
    Attempt("from uuid import getnode", "from uuid import getnode", "refused GuestRefused: line 1: 'uuid.getnode' is not offered"),
    Attempt("from copy import _reconstruct", "from copy import _reconstruct", "refused GuestRefused: line 1: 'copy._reconstruct' is not offered"),
]  # fmt: skip

DONE = [
    Attempt("guards' names among a module's", "import math\nobject.__setattr__(math, '<type>', lambda x: int)", "raised AttributeError: attribute '<type>' cannot be changed"),
    Attempt("guards' names by setattr", "class A: pass\nsetattr(A, '<getattr>', 1)", "raised AttributeError: attribute '<getattr>' cannot be changed"),
    Attempt("addresses of a source of randomness", "import numpy\nnumpy.random.default_rng().bit_generator.ctypes", "raised AttributeError: 'PCG64' object has no attribute 'ctypes' here"),
    Attempt("capsule of a source of randomness", "import numpy\nnumpy.random.default_rng().bit_generator.capsule", "raised AttributeError: 'PCG64' object has no attribute 'capsule' here"),
    Attempt("module by an unbound setter", "import math\nobject.__setattr__(math, 'sqrt', 1)", "raised AttributeError: attribute 'sqrt' cannot be changed"),
    Attempt("subclasses of object", "().__class__.__base__.__subclasses__()", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("dict of a class of the host", "str.__dict__['format']('{0.__class__}', 1)", "raised AttributeError: 'type' object has no attribute '__dict__' here"),
    Attempt("name in full-width letters", "().__class__.__base__.__ｓubclasses__()", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("attribute in an f-string", "f'{().__class__.__base__.__subclasses__()}'", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("private attribute across classes", "import random\nclass Random:\n    def f(self): return random.Random.__os", "ok None"),
    Attempt("getattr of a refused name", "getattr((), '__class__').__base__\ngetattr(object, '__subclasses__')()", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("getattr with a clever text", "class S(str):\n    def __eq__(self, other): return True\n    def __hash__(self): return hash('real')\ngetattr(print, S('__self__'))", "raised AttributeError: 'builtin_function_or_method' object has no attribute '__self__' here"),
    Attempt("getattr of globals", "getattr(lambda: 0, '__globals__')", "raised AttributeError: 'function' object has no attribute '__globals__' here"),
    Attempt("hasattr as an oracle", "hasattr(lambda: 0, '__globals__')", "ok False"),
    Attempt("module of a built-in function", "print.__self__", "raised AttributeError: 'builtin_function_or_method' object has no attribute '__self__' here"),
    Attempt("object of a method of the host", "import random\nrandom.choice.__self__", "raised AttributeError: 'method' object has no attribute '__self__' here"),
    Attempt("function of a method of the host", "import random\nrandom.choice.__func__", "raised AttributeError: 'method' object has no attribute '__func__' here"),
    Attempt("format text at run time", "text = '{0.__class__}'\ntext.format(1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format text unbound", "text = '{0.__class__}'\nstr.format(text, 1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format by getattr", "text = '{0.__class__}'\ngetattr(text, 'format')(1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format by map", "list(map(str.format, ['{0.__class__}'], [1]))", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format_map at run time", "text = '{x.__class__}'\ntext.format_map({'x': 1})", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format of a text's subclass", "class S(str):\n    def __str__(self): return 'harmless'\nS('{0.__class__}').format(1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format by super", "class S(str):\n    def f(self, *a): return super().format(*a)\nS('{0.__class__}').f(1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format by an alias's forwarding", "type(list[int])('{0.__class__}', int).format(1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format by a weak proxy's forwarding", "import weakref\nclass S(str): pass\ns = S('{0.__class__}')\ntype(weakref.ref(s))(s)().format(1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("format by methodcaller", "from operator import methodcaller\nmethodcaller('format', 1)('{0.__class__}')", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("attrgetter", "from operator import attrgetter\nattrgetter('__globals__')(lambda: 0)", "raised AttributeError: 'function' object has no attribute '__globals__' here"),
    Attempt("attrgetter along a path", "from operator import attrgetter\nattrgetter('__class__.__base__.__subclasses__')(())()", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("methodcaller", "from operator import methodcaller\nmethodcaller('__subclasses__')(object)", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("reduce over getattr", "from functools import reduce\nreduce(getattr, ['__class__', '__base__', '__subclasses__'], ())()", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("partial getattr", "from functools import partial\npartial(getattr, object)('__subclasses__')()", "raised AttributeError: 'type' object has no attribute '__subclasses__' here"),
    Attempt("update_wrapper with names", "from functools import update_wrapper\nclass A: pass\nx = update_wrapper(A(), lambda: 0, assigned=('__globals__', '__code__', '__doc__'))\nsorted(x.__dict__)", "ok []"),
    Attempt("object's own getattribute", "object.__getattribute__(lambda: 0, '__globals__')", "raised AttributeError: 'function' object has no attribute '__globals__' here"),
    Attempt("own getattribute of a function", "(lambda: 0).__getattribute__('__globals__')", "raised AttributeError: 'function' object has no attribute '__globals__' here"),
    Attempt("object's own setattr", "def f(): pass\nobject.__setattr__(f, '__code__', 1)", "raised AttributeError: attribute '__code__' cannot be changed"),
    Attempt("setattr of code", "def f(): pass\nsetattr(f, '__code__', 1)", "raised AttributeError: attribute '__code__' cannot be changed"),
    Attempt("super's getattribute", "class A:\n    def f(self): return super().__getattribute__('__reduce_ex__')\nA().f()", "raised AttributeError: 'A' object has no attribute '__reduce_ex__' here"),
    Attempt("type with three arguments", "type('A', (), {})", "raised TypeError: classes are made with class statements here"),
    Attempt("type of type with three arguments", "type(int)('A', (), {'__getattr__': 1})", "raised TypeError: classes are made with class statements here"),
    Attempt("class of a class with three arguments", "int.__class__('A', (), {})", "raised TypeError: classes are made with class statements here"),
    Attempt("type's own new", "type.__new__(type, 'A', (), {})", "raised TypeError: type() takes no arguments"),
    Attempt("metaclass", "class M(type): pass", "raised TypeError: metaclasses are not offered; __init_subclass__ or a class decorator may do"),
    Attempt("metaclass of abstract classes", "from abc import ABCMeta\nclass M(ABCMeta): pass", "raised TypeError: metaclasses are not offered; __init_subclass__ or a class decorator may do"),
    Attempt("metaclass of abstract classes called", "from abc import ABC\ntype(ABC)('A', (), {})", "raised TypeError: classes are made with class statements here"),
    Attempt("metaclass of enumerations called", "from enum import Enum\nEnum.__class__('A', (), {})", "raised TypeError: classes are made with class statements here"),
    Attempt("metaclass that is a function", "class A(metaclass=lambda *a: a): pass", "raised TypeError: metaclasses are not offered; __init_subclass__ or a class decorator may do"),
    Attempt("base that is no class", "try:\n    class A(1): pass\nexcept TypeError:\n    raise TypeError('no class') from None", "raised TypeError: no class"),
    Attempt("subclass of a file", "class A(type(open('x', 'wb', 0))): pass", "raised TypeError: type '_RawFile' is not an acceptable base type"),
    Attempt("subclass of a namespace", "import math\nclass A(type(math)): pass", "raised TypeError: type 'module' is not an acceptable base type"),
    Attempt("class of the host changed", "import json\njson.JSONEncoder.default = lambda self, o: 1", "raised TypeError: cannot set 'default' attribute of immutable type 'JSONEncoder'"),
    Attempt("module changed", "import math\nmath.sqrt = 1", "raised AttributeError: module 'math' cannot be changed"),
    Attempt("bases changed", "class A: pass\nclass B(A): pass\nsetattr(B, '__bases__', (int,))", "raised AttributeError: attribute '__bases__' cannot be changed"),
    Attempt("class of an object of the host changed", "import json\nclass A: pass\nx = json.JSONEncoder()\nx.__class__ = A", "raised AttributeError: attribute '__class__' cannot be changed"),
    Attempt("match arguments, then registered", "from abc import ABC\nclass C(ABC):\n    __match_args__ = ('__globals__',)\nC.register(type(lambda: 0))\nmatch (lambda: 0):\n    case C(x): x", "raised TypeError: C() cannot be matched by position here"),
    Attempt("match arguments of text, then registered", "from abc import ABC\nclass C(ABC):\n    __match_args__ = ('format',)\nC.register(str)\nmatch '{0.__class__}':\n    case C(f): f(1)", "raised TypeError: C() cannot be matched by position here"),
    Attempt("match arguments of a protocol", "from typing import Protocol, runtime_checkable\n@runtime_checkable\nclass P(Protocol):\n    __match_args__ = ('gi_frame',)\n    def send(self): ...\nmatch (x for x in [1]):\n    case P(f): f", "raised TypeError: P() cannot be matched by position here"),
    Attempt("match arguments of a dataclass", "from dataclasses import dataclass\n@dataclass\nclass C(str):\n    format: int\nmatch str.__new__(C, '{0.__class__}'):\n    case C(f): f(1)", "raised TypeError: C() cannot be matched by position here"),
    Attempt("asdict follows names", "from dataclasses import dataclass, asdict\n@dataclass\nclass C(str):\n    format: int\nasdict(str.__new__(C, '{0.__class__}'))['format'](1)", "raised AttributeError: attribute '__class__' is not reachable in a format"),
    Attempt("code in a dataclass's field", "from dataclasses import dataclass\nclass A:\n    x: int\nA.__annotations__['y=print(1)'] = int\ndataclass(A)", "raised TypeError: Field names must be valid identifiers: 'y=print(1)'"),
    Attempt("code in a renamed field", "from dataclasses import dataclass, fields\n@dataclass\nclass A:\n    x: int\nfields(A)[0].name = 'x=print(1)'", "raised TypeError: Field names must be valid identifiers: 'x=print(1)'"),
    Attempt("code in a named tuple's field", "from collections import namedtuple\nnamedtuple('A', ['x=1'])", "raised ValueError: Type names and field names must be valid identifiers: 'x=1'"),
    Attempt("code in a named tuple's field, by a text's subclass", "from collections import namedtuple\nclass S(str):\n    def __str__(self): return self\n    def isidentifier(self): return True\nnamedtuple('A', [S('x=print(1)')])", "raised TypeError: Type names and field names must be strings"),
    Attempt("code in an annotation", "from typing import get_type_hints\ndef f(x: '(lambda: 0).__globals__'): pass\nget_type_hints(f)", "ok {'x': '(lambda: 0).__globals__'}"),
    Attempt("code in a dispatched annotation", "from functools import singledispatch\n@singledispatch\ndef f(x): pass\n@f.register\ndef g(x: 'print(1)'): pass", "raised TypeError: register() needs a class for g: register(int)"),
    Attempt("setattr by copying", "import copy\nclass A:\n    def __reduce__(self): return (lambda: f, (), (None, {'__code__': 1}))\ndef f(): pass\ncopy.copy(A()).__class__.__name__", "ok 'A'"),
    Attempt("setattr by parsing arguments", "import argparse\ndef f(): pass\np = argparse.ArgumentParser()\np.add_argument('--x', dest='__code__', default=1)\np.parse_args([], namespace=f)", "raised AttributeError: attribute '__code__' cannot be changed"),
    Attempt("getattr by parsing arguments", "import argparse\nargparse.Namespace(**{'__array_interface__': 1})", "raised AttributeError: attribute '__array_interface__' cannot be changed"),
    Attempt("file opened by a parser of settings", "import configparser\nconfigparser.ConfigParser().read(canary['file'])", "ok []"),
    Attempt("stream switched for another name", "from contextlib import redirect_stdout\nclass R(type(redirect_stdout(None))):\n    _stream = 'modules'", "raised TypeError: type 'StreamSwitch' is not an acceptable base type"),
    Attempt("private attribute by getattr", "import random\ngetattr(random.Random(), '_randbelow')", "raised AttributeError: 'Random' object has no attribute '_randbelow' here"),
    Attempt("private attribute by a subclass", "import json\nclass E(json.JSONEncoder): pass\nE()._x = 1\nimport csv\ncsv.DictReader([])._fieldnames", "raised AttributeError: 'DictReader' object has no attribute '_fieldnames' here"),
    Attempt("private attribute by a forwarding alias", "type(list[int])(open('x', 'wb', 0), int)._vfs_open", "raised AttributeError: 'GenericAlias' object has no attribute '_vfs_open' here"),
    Attempt("object of an AttributeError", "try:\n    (1).x\nexcept AttributeError as e:\n    e.obj", "raised AttributeError: 'AttributeError' object has no attribute 'obj' here"),
    Attempt("dict of a file", "sorted(open('x', 'wb', 0).__dict__)", "ok ['mode', 'name']"),
    Attempt("dict of an object changed", "class A: pass\nx = A()\nx.__dict__['__array_interface__'] = {}", "raised AttributeError: attribute '__array_interface__' cannot be changed"),
    Attempt("dict of an object replaced", "class A: pass\nx = A()\nx.__dict__ = {'__array_interface__': {}}", "raised AttributeError: attribute '__array_interface__' cannot be changed"),
    Attempt("vars changed", "class A: pass\nx = A()\nvars(x)['__array_interface__'] = {}\nhasattr(x, '__array_interface__')", "ok False"),
    Attempt("namespace with forbidden names", "from types import SimpleNamespace\nSimpleNamespace(**{'__array_interface__': {}})", "raised AttributeError: attribute '__array_interface__' cannot be changed"),
    Attempt("enumeration with forbidden names", "from enum import Enum\nEnum('A', {'__array_interface__': 1})", "raised ValueError: invalid enum member name: '__array_interface__'"),
    Attempt("globals changed", "globals()['__builtins__'] = {}\nlen([1])", "ok 1"),
    Attempt("numpy reads an address", "import numpy\nclass A:\n    def __getattr__(self, name): return {'data': (4096, False), 'shape': (8,), 'typestr': '|u1', 'version': 3}\nnumpy.asarray(A()).dtype.kind", "raised TypeError: 'dict' object is not callable"),
    Attempt("numpy reads an address, getattribute", "import numpy\nclass A:\n    def __getattribute__(self, name): return {'data': (4096, False), 'shape': (8,), 'typestr': '|u1', 'version': 3}\nnumpy.asarray(A()).dtype.kind", "raised TypeError: 'dict' object is not callable"),
    Attempt("numpy writes a file", "import numpy\nnumpy.arange(3).tofile(canary['file'])", "raised AttributeError: 'ndarray' object has no attribute 'tofile' here"),
    Attempt("numpy pickles", "import numpy\nnumpy.arange(3).dumps()", "raised AttributeError: 'ndarray' object has no attribute 'dumps' here"),
    Attempt("numpy's addresses", "import numpy\nnumpy.arange(3).ctypes", "raised AttributeError: 'ndarray' object has no attribute 'ctypes' here"),
    Attempt("numpy's strides changed", "import numpy\nx = numpy.arange(3)\nx.strides = (800,)", "raised AttributeError: attribute 'strides' cannot be changed"),
    Attempt("numpy's memory as objects", "import numpy\nnumpy.arange(3).view('O')", "raised TypeError: Cannot change data-type for array of references."),
    Attempt("numpy's memory as objects, by type", "import numpy\nx = numpy.arange(3)\nx.dtype = object", "raised AttributeError: attribute 'dtype' cannot be changed"),
    Attempt("numpy's shape without references", "import numpy\nx = numpy.arange(3)\nx.resize(9, refcheck=False)", "raised AttributeError: 'ndarray' object has no attribute 'resize' here"),
    Attempt("event loop of a task", "import asyncio\nasync def f():\n    return asyncio.current_task().get_loop()\nawait f()", "raised AttributeError: 'Task' object has no attribute 'get_loop' here"),
    Attempt("event loop's insides", "import asyncio\nasync def f():\n    return asyncio.get_running_loop()._face_loop\nawait f()", "raised AttributeError: 'LoopFace' object has no attribute '_face_loop' here"),
    Attempt("subprocess by the loop", "import asyncio\nasync def f():\n    return asyncio.get_running_loop().subprocess_shell\nawait f()", "raised AttributeError: 'LoopFace' object has no attribute 'subprocess_shell'"),
    Attempt("a host's file by open", "open(canary['file']).read()", "raised FileNotFoundError: [Errno 2] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("a host's file by a path", "from pathlib import Path\nPath(canary['file']).read_text()", "raised FileNotFoundError: [Errno 2] No such file or directory: 'CANARY/secret.txt'"),
    Attempt("a host's folder", "import os\nos.listdir(canary['folder'])", "raised FileNotFoundError: [Errno 2] No such file or directory: 'CANARY'"),
    Attempt("the environment", "import os\nos.environ.get(canary['env'])", "ok None"),
    Attempt("a descriptor", "open(3, 'rb')", "raised OSError: [Errno 9] files are opened by name here"),
    Attempt("an opener", "open('x', opener=lambda *a: 3)", "raised ValueError: opener and closefd are not offered"),
    Attempt("codecs that open files", "'x'.encode('zlib_codec')", "raised LookupError: unknown encoding: zlib_codec"),
    Attempt("type's parts through a slot", "class A:\n    __slots__ = ('x',)\nA.x.__get__(1)", "raised TypeError: descriptor 'x' for 'A' objects doesn't apply to a 'int' object"),
    Attempt("type parameter's default", "type.mro(type)", "raised TypeError: type.mro() takes no arguments (1 given)"),
    Attempt("subclasses of an own class", "class A: pass\nclass B(A): pass\n[c.__name__ for c in A.__subclasses__()]", "ok ['B']"),
]  # fmt: skip

ALL = [*SAID, *IMPORTED, *DONE, *LIBRARY]

UNWALLED = [
    Attempt("file", "open(canary['file']).read()", "OSError"),
    Attempt("folder", "import os\nos.listdir(canary['folder'])", "OSError"),
    Attempt("root", "import os\nos.listdir('/')", "OSError"),
    Attempt("environment", "import os\nos.environ[canary['env']]", "KeyError"),
    Attempt("process", "import os\nos.fork()", "OSError"),
    Attempt("program", "import os\nos.execv('/bin/sh', ['sh'])", "lost"),
    Attempt("network", "import _socket\n_socket.socket()", "OSError"),
    Attempt("path socket", "import _socket\n_socket.socket(_socket.AF_UNIX)", "OSError"),
    Attempt("signal to the host", "import os\nos.kill(canary['pid'], 9)", "OSError"),
    Attempt("thread", "import _thread\n_thread.start_new_thread(print, ())", "RuntimeError"),
    Attempt("executable memory", "import mmap\nmmap.mmap(-1, 4096, prot=7)", "OSError"),
    Attempt("native open", "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nassert libc.open(canary['file'].encode(), 0) >= 0", "AssertionError"),
    Attempt("native mount", "import ctypes\nctypes.CDLL(None).mount(b'a', b'b', b'c', 0, None)", "lost"),
    Attempt("native trace", "import ctypes\nctypes.CDLL(None).ptrace(16, canary['pid'], 0, 0)", "lost"),
    Attempt("native read of the host's memory", "import ctypes\nctypes.CDLL(None).process_vm_readv(canary['pid'], None, 0, None, 0, 0)", "lost"),
    Attempt("native crash", "import ctypes\nctypes.string_at(0)", "lost"),
]  # fmt: skip


def test_there_are_enough_attempts() -> None:
    assert len(ALL) >= ATTEMPTS_MIN


@pytest.fixture(scope="module")
def attacked(engine: dspex.Engine, canary: Canary) -> Iterator[dspex.Engine]:
    """Give the engine to many attempts; after the last, nothing was touched and it still works."""
    yield engine
    canary.check()
    assert not children_of_workers(engine)
    assert engine.run("1 + 1", language=LANGUAGE).value == 2


@pytest.mark.parametrize("attempt", ALL, ids=names(ALL))
def test_the_language_turns_it_down(
    attacked: dspex.Engine, canary: Canary, attempt: Attempt
) -> None:
    need_tar_filters(attempt.code)
    outcome = attacked.run(
        attempt.code, language=LANGUAGE, variables={"canary": canary.known}
    )

    canary.check_outcome(outcome)
    assert ending(outcome, canary) == attempt.ending


@pytest.fixture(scope="module")
def unwalled(canary: Canary) -> Iterator[dspex.Engine]:
    """Start an engine whose restricted Python is plain Python: only the jail is left."""
    spec = table.OURS[LANGUAGE]
    table.OURS[LANGUAGE] = dataclasses.replace(
        spec, guest="tests.restricted.unwalled:UnwalledGuest"
    )
    try:
        with dspex.Engine(policy="compute", languages=[LANGUAGE], idle_max=2) as engine:
            yield engine
    finally:
        table.OURS[LANGUAGE] = spec


@pytest.mark.parametrize("attempt", UNWALLED, ids=names(UNWALLED))
def test_the_jail_holds_when_the_language_does_not(
    unwalled: dspex.Engine, canary: Canary, attempt: Attempt
) -> None:
    outcome = unwalled.run(attempt.code, language=LANGUAGE, variables={"canary": canary.known})

    canary.check_outcome(outcome)
    canary.check()
    assert outcome.error is not None, outcome.value
    found = [outcome.status, outcome.error.type, *outcome.error.traceback.splitlines()[-1:]]
    kinds = [FileNotFoundError, PermissionError, ModuleNotFoundError]
    by_name = {kind.__name__: kind.__mro__ for kind in kinds}
    bases = [base.__name__ for base in by_name.get(outcome.error.type, ())]
    assert attempt.ending in [*found, *bases], (outcome.status, outcome.error)


def test_every_attempt_reaches_nothing_with_the_language_wall_down(
    unwalled: dspex.Engine, canary: Canary
) -> None:
    for attempt in ALL:
        outcome = unwalled.run(
            attempt.code, language=LANGUAGE, variables={"canary": canary.known}, timeout_s=2.0
        )
        canary.check_outcome(outcome)
    canary.check()
    assert not children_of_workers(unwalled)


@pytest.mark.parametrize(("code", "value"), [twin[1:] for twin in TWINS], ids=[twin[0] for twin in TWINS])
def test_twin_the_larger_modules_do_what_they_are_for(
    engine: dspex.Engine, code: str, value: object
) -> None:
    need_tar_filters(code)
    outcome = engine.run(code, language=LANGUAGE)

    assert outcome.ok, outcome.error
    assert outcome.value == value


def test_an_archive_that_swells_ends_by_the_budget(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "import io, zipfile\n"
        "b = io.BytesIO()\n"
        "with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z, z.open('x', 'w') as f:\n"
        "    for _ in range(900): f.write(bytes(1 << 20))\n"
        "len(zipfile.ZipFile(b).read('x'))",
        language=LANGUAGE,
    )

    assert outcome.status == "limit"
    assert outcome.error.limit in {"memory_bytes", "wall_s", "cpu_s"}


def test_twin_an_honest_program_may_do_all_this(engine: dspex.Engine) -> None:
    outcome = engine.run(
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Point:\n"
        "    x: int\n"
        "    _y: int = 2\n"
        "    def __add__(self, other): return Point(self.x + other.x, self._y)\n"
        "p = Point(1) + Point(2)\n"
        "p.x += 1\n"
        "match p:\n"
        "    case Point(x, _): pass\n"
        "[x, p.__class__.__name__, '{0.x}'.format(p), getattr(p, 'x'), f'{p!r}', hasattr(p, 'z')]",
        language=LANGUAGE,
    )

    assert outcome.value == [4, "Point", "4", 4, "Point(x=4, _y=2)", False]
