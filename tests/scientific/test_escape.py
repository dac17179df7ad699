"""Ways out that the packages of the image open: their readers, parsers, threads, pointers and recursion.

What plain Python's attacks try is in `tests/escape`; this is what numpy, pandas, scipy and their kin add.
Each attempt must fail in exactly one way, leave the canary alone, and have a twin that is allowed.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

import dspex
from dspex.languages.python import REPLY_FD
from dspex.languages.scientific import MEMORY
from dspex.policy import Policy
from dspex.runtimes import scientific
from dspex.runtimes.progress import Silent
from tests.escape.canary import Canary
from tests.escape.ending import Attack, Attempt, ending, names
from tests.escape.processes import children_of_workers, descendants
from tests.scientific.image import MISSING

PR_SET_CHILD_SUBREAPER = 36
GONE_WITHIN_S = 5
TIMEOUT_S = 20.0
WORKS = "import numpy as np, pandas as pd\nint(pd.Series(np.arange(5)).sum())"


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """Lay out what must stay unread, before the engine starts."""
    if MISSING:
        pytest.skip(f"NO SCIENTIFIC IMAGE: {MISSING}")
    folder = tmp_path_factory.mktemp("host")
    np.save(folder / "array.npy", np.ones(3))
    with Canary(folder) as canary:
        canary._touches()
        yield canary
        canary.check()
        assert canary.file.read_text() == canary.secret


def below(pids: set[int]) -> set[int]:
    """Return processes and all that are below them: other engines, which may start workers at any time."""
    found = set(pids)
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return found


@pytest.fixture(scope="module")
def attacked(canary: Canary) -> Iterator[dspex.Engine]:
    """Start an engine that holds the secret, and see that its end is the end of all its processes."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans come to us
    before = descendants()
    policy = Policy.load("numeric")
    policy = policy.model_copy(
        update={"limits": policy.limits.model_copy(update={"memory_bytes": 400 << 20})}
    )
    with dspex.Engine(policy=policy, languages=[], idle_max=2) as engine:
        yield engine
    try:
        deadline = time.monotonic() + GONE_WITHIN_S
        while (left := descendants() - below(before)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left
    finally:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture
def attack(attacked: dspex.Engine, canary: Canary) -> Iterator[Attack]:
    """Return `Engine.run` for attackers; whatever they do, the canary and the next run must live."""

    def attack(code: str, **given: Any) -> dspex.Outcome:
        given = {"timeout_s": TIMEOUT_S, **given}
        outcome = attacked.run(
            code, image="scientific", variables={"canary": canary.known}, **given
        )
        canary.check_outcome(outcome)
        return outcome

    yield attack
    canary.check()
    assert not children_of_workers(attacked)
    after = attacked.run(WORKS, image="scientific")
    assert (after.status, after.value, after.stdout, after.notes) == ("ok", 10, "", ())


def absent(path: str = "CANARY/secret.txt") -> str:
    return f"raised FileNotFoundError: [Errno 44] No such file or directory: '{path}'"


def trapped(reason: str) -> str:
    return f"lost GuestTrapped: the guest was stopped by the wasm runtime: {reason}"


def lacks(name: str) -> str:
    return f"raised AttributeError: module 'os' has no attribute '{name}'"


OUT_OF_BOUNDS = trapped("out of bounds memory access")
STACK_EXHAUSTED = trapped("call stack exhausted")
NO_THREAD = "raised RuntimeError: can't start new thread"
NO_MMAP = "raised OSError: mmap is unavailable on wasm32-wasi"
NO_CTYPES = "raised OSError: ctypes is unavailable on wasm32-wasi"
NO_NAMES = "raised urllib.error.URLError: <urlopen error [Errno -4] Non-recoverable failure in name resolution>"
NOT_SUPPORTED = "raised OSError: [Errno 58] Not supported"
TOO_DEEP = "raised RecursionError: maximum recursion depth exceeded"
UNREACHABLE = trapped("wasm `unreachable` instruction executed")
TOO_MUCH = "limit LimitExceeded: memory_bytes: SPENT of 400 MiB, noticed by the inner guard"
STRIDED = (
    "import numpy as np\nfrom numpy.lib.stride_tricks import as_strided\none = np.zeros(1, 'u1')\n"
)
POINTER = """
import numpy as np
def at(address, count):
    class Forged:
        __array_interface__ = {"shape": (count,), "typestr": "|u1", "data": (address, False), "version": 3}
    return np.asarray(Forged())
"""

FILES = [
    Attempt(
        "np.load",
        "import numpy as np\nnp.load(canary['folder'] + '/array.npy')",
        absent("CANARY/array.npy"),
    ),
    Attempt(
        "np.load with pickle",
        "import numpy as np\nnp.load(canary['file'], allow_pickle=True)",
        absent(),
    ),
    Attempt(
        "np.loadtxt",
        "import numpy as np\nnp.loadtxt(canary['file'], dtype=str)",
        "raised FileNotFoundError: CANARY/secret.txt not found.",
    ),
    Attempt(
        "np.genfromtxt",
        "import numpy as np\nnp.genfromtxt(canary['file'])",
        "raised FileNotFoundError: CANARY/secret.txt not found.",
    ),
    Attempt("np.fromfile", "import numpy as np\nnp.fromfile(canary['file'], 'u1')", absent()),
    Attempt(
        "np.fromfile of the process",
        "import numpy as np\nnp.fromfile('/proc/self/mem', 'u1', 64)",
        absent("/proc/self/mem"),
    ),
    Attempt(
        "np.fromfile of a descriptor",
        "import numpy as np\nnp.fromfile(open(6, 'rb'), 'u1')",
        "raised OSError: [Errno 8] Bad file descriptor",
    ),
    Attempt(
        "np.save",
        "import numpy as np\nnp.save(canary['folder'] + '/new.npy', np.ones(2))",
        absent("CANARY/new.npy"),
    ),
    Attempt("tofile", "import numpy as np\nnp.ones(2).tofile(canary['file'])", absent()),
    Attempt("np.memmap", "import numpy as np\nnp.memmap(canary['file'], mode='r')", absent()),
    Attempt(
        "np.memmap to write",
        "import numpy as np\nnp.memmap(canary['folder'] + '/x', mode='w+', shape=4)",
        absent("CANARY/x"),
    ),
    Attempt(
        "np.memmap of an own file",
        "import numpy as np\nopen('a', 'wb').write(bytes(64))\nnp.memmap('a')",
        NO_MMAP,
    ),
    Attempt("mmap of no file", "import mmap\nmmap.mmap(-1, 4096)", NO_MMAP),
    Attempt(
        "np.load with mmap_mode",
        "import numpy as np\nnp.save('a.npy', np.ones(2))\nnp.load('a.npy', mmap_mode='r')",
        NO_MMAP,
    ),
    Attempt(
        "joblib with mmap_mode",
        "import joblib, numpy as np\njoblib.dump(np.ones(9), 'a')\njoblib.load('a', mmap_mode='r')",
        NO_MMAP,
    ),
    Attempt(
        "DataSource",
        "import numpy as np\nnp.lib.npyio.DataSource().open(canary['file'])",
        "raised FileNotFoundError: CANARY/secret.txt not found.",
    ),
    Attempt("pd.read_csv", "import pandas as pd\npd.read_csv(canary['file'])", absent()),
    Attempt(
        "pd.read_csv of a file's address",
        "import pandas as pd\npd.read_csv('file://' + canary['file'])",
        "raised urllib.error.URLError: <urlopen error [Errno 44] No such file or directory: 'CANARY/secret.txt'>",
    ),
    Attempt(
        "pd.read_csv up the tree",
        "import pandas as pd\npd.read_csv('../../../../..' + canary['file'])",
        "raised PermissionError: [Errno 76] Capabilities insufficient: '../../../../..CANARY/secret.txt'",
    ),
    Attempt(
        "pd.read_csv through a link",
        "import os, pandas as pd\nos.symlink(canary['file'], 'l')\npd.read_csv('l')",
        "raised PermissionError: [Errno 76] Capabilities insufficient: 'CANARY/secret.txt' -> 'l'",
    ),
    Attempt("pd.read_pickle", "import pandas as pd\npd.read_pickle(canary['file'])", absent()),
    Attempt("pd.read_xml", "import pandas as pd\npd.read_xml(canary['file'])", absent()),
    Attempt(
        "to_csv",
        "import pandas as pd\npd.DataFrame({'a': [1]}).to_csv(canary['file'])",
        "raised OSError: Cannot save file into a non-existent directory: 'CANARY'",
    ),
    Attempt(
        "to_pickle",
        "import pandas as pd\npd.DataFrame({'a': [1]}).to_pickle(canary['folder'] + '/p')",
        "raised OSError: Cannot save file into a non-existent directory: 'CANARY'",
    ),
    Attempt(
        "savefig",
        "import matplotlib.pyplot as plt\nplt.savefig(canary['folder'] + '/x.png')",
        absent("CANARY/x.png"),
    ),
    Attempt(
        "savefig up the tree",
        "import matplotlib.pyplot as plt\nplt.savefig('../../../x.png')",
        "raised PermissionError: [Errno 76] Capabilities insufficient: '../../../x.png'",
    ),
    Attempt("imread", "import matplotlib.pyplot as plt\nplt.imread(canary['file'])", absent()),
    Attempt(
        "a style",
        "import matplotlib.pyplot as plt\nplt.style.use(canary['file'])",
        "raised OSError: 'CANARY/secret.txt' is not a valid package style, path of style file, URL of style file, or library style name (library styles are listed in `style.available`)",
    ),
    Attempt(
        "loadmat",
        "from scipy.io import loadmat\nloadmat(canary['file'])",
        absent("CANARY/secret.txt.mat"),
    ),
    Attempt(
        "load_files",
        "from sklearn.datasets import load_files\nlen(load_files(canary['folder']).data)",
        absent("CANARY"),
    ),
    Attempt(
        "load_svmlight_file",
        "from sklearn.datasets import load_svmlight_file\nload_svmlight_file(canary['file'])",
        absent(),
    ),
    Attempt(
        "lxml",
        "from lxml import etree\netree.parse(canary['file'])",
        "raised OSError: Error reading file 'CANARY/secret.txt': failed to load \"CANARY/secret.txt\": No such file or directory",
    ),
    Attempt(
        "an entity of lxml's",
        "from lxml import etree\n"
        "p = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=False, huge_tree=True)\n"
        "d = '<!DOCTYPE r [<!ENTITY x SYSTEM \"file://%s\">]><r>&x;</r>' % canary['file']\n"
        "etree.fromstring(d.encode(), p).text",
        "ok None",
    ),
    Attempt(
        "XInclude",
        "from lxml import etree\n"
        'd = \'<r xmlns:x="http://www.w3.org/2001/XInclude"><x:include parse="text" href="%s"/></r>\' % canary[\'file\']\n'
        "r = etree.ElementTree(etree.fromstring(d))\nr.xinclude()",
        "raised lxml.etree.XIncludeError: could not load CANARY/secret.txt, and no fallback was found, line 1",
    ),
    Attempt(
        "XSLT's document",
        "from lxml import etree\n"
        's = \'<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:template match="/">\'\n'
        "s += '<r><x:copy-of select=\"document(\\'%s\\')\"/></r></x:template></x:stylesheet>' % canary['file']\n"
        "str(etree.XSLT(etree.fromstring(s))(etree.fromstring('<a/>')))",
        "raised lxml.etree.XSLTApplyError: Cannot resolve URI string://__STRING__XSLT__CANARY/secret.txt",
    ),
    Attempt(
        "XSLT that writes",
        "from lxml import etree\n"
        's = \'<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform" xmlns:e="http://exslt.org/common" extension-element-prefixes="e"><x:template match="/">\'\n'
        "s += '<e:document href=\"%s/new\"><a/></e:document></x:template></x:stylesheet>' % canary['folder']\n"
        "str(etree.XSLT(etree.fromstring(s))(etree.fromstring('<a/>')))",
        "raised lxml.etree.XSLTApplyError: xsltDocumentElem: unable to save to CANARY/new",
    ),
    Attempt(
        "sqlite's attach",
        "import sqlite3\nsqlite3.connect(':memory:').execute('attach ? as x', (canary['file'],))",
        "raised sqlite3.OperationalError: unable to open database: CANARY/secret.txt",
    ),
    Attempt(
        "sqlite's readfile",
        "import sqlite3\nsqlite3.connect(':memory:').execute('select readfile(?)', (canary['file'],))",
        "raised sqlite3.OperationalError: no such function: readfile",
    ),
    Attempt(
        "sqlite's vacuum into",
        "import sqlite3\nsqlite3.connect(':memory:').execute('vacuum into ?', (canary['folder'] + '/db',))",
        "raised sqlite3.OperationalError: unable to open database: CANARY/db",
    ),
    Attempt(
        "an extension of sqlite's",
        "import sqlite3\nsqlite3.connect(':memory:').enable_load_extension(True)",
        "raised AttributeError: 'sqlite3.Connection' object has no attribute 'enable_load_extension'",
    ),
    Attempt(
        "openpyxl",
        "import openpyxl\nopenpyxl.load_workbook(canary['folder'] + '/x.xlsx')",
        absent("CANARY/x.xlsx"),
    ),
    Attempt(
        "the host's module",
        "import sys\nsys.path.insert(0, canary['folder'])\nimport module_of_the_host",
        "raised ModuleNotFoundError: No module named 'module_of_the_host'",
    ),
    Attempt("the environment", "import os\nos.environ.get(canary['env'], 'unset')", "ok 'unset'"),
]

NETWORK = [
    Attempt(
        "pd.read_csv of an address",
        "import pandas as pd\npd.read_csv(f\"http://127.0.0.1:{canary['tcp']}/x\")",
        NO_NAMES,
    ),
    Attempt(
        "pd.read_html",
        "import pandas as pd\npd.read_html(f\"http://127.0.0.1:{canary['tcp']}/x\")",
        NO_NAMES,
    ),
    Attempt(
        "DataSource of an address",
        "import numpy as np\nnp.lib.npyio.DataSource().open(f\"http://127.0.0.1:{canary['tcp']}/x\")",
        "raised FileNotFoundError: http://127.0.0.1:PORT/x not found.",
    ),
    Attempt(
        "imread of an address",
        "import matplotlib.pyplot as plt\nplt.imread(f\"http://127.0.0.1:{canary['tcp']}/x.png\")",
        "raised ValueError: Please open the URL for reading and pass the result to Pillow, e.g. with ``np.array(PIL.Image.open(urllib.request.urlopen(url)))``.",
    ),
    Attempt(
        "fetch_openml",
        "from sklearn.datasets import fetch_openml\nfetch_openml('iris', n_retries=1, delay=0.1)",
        "raised urllib.error.URLError: <urlopen error unknown url type: https>",
    ),
    Attempt(
        "lxml of an address",
        "from lxml import etree\np = etree.XMLParser(no_network=False)\netree.parse(f\"http://127.0.0.1:{canary['tcp']}/\", p)",
        "raised OSError: Error reading file 'http://127.0.0.1:PORT/': failed to load \"http://127.0.0.1:PORT/\": No such file or directory",
    ),
    Attempt(
        "a connection",
        "import socket\nsocket.create_connection(('127.0.0.1', canary['tcp']), 1)",
        "raised socket.gaierror: [Errno -4] Non-recoverable failure in name resolution",
    ),
    Attempt(
        "a socket",
        "import socket\nsocket.socket().connect(('127.0.0.1', canary['tcp']))",
        NOT_SUPPORTED,
    ),
    Attempt(
        "a datagram",
        "import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', canary['udp']))",
        NOT_SUPPORTED,
    ),
    Attempt(
        "a socket by descriptor",
        "import _socket\n_socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, 5).send(b'x')",
        "raised OSError: [Errno 8] Bad file descriptor",
    ),
    Attempt("a socket by path", "open(canary['socket'], 'r+b')", absent("CANARY/path.socket")),
    Attempt(
        "asyncio",
        "import asyncio\nawait asyncio.open_connection('127.0.0.1', canary['tcp'])",
        NOT_SUPPORTED,
    ),
]

POINTERS = [
    Attempt("ctypes", "import ctypes\nctypes.CDLL(None).getpid()", NO_CTYPES),
    Attempt("ctypes by name", "import ctypes\nctypes.CDLL('libc.so.6')", NO_CTYPES),
    Attempt(
        "ctypes.pythonapi",
        "import ctypes\nctypes.pythonapi",
        "raised AttributeError: module 'ctypes' has no attribute 'pythonapi'",
    ),
    Attempt("string_at", "import ctypes\nctypes.string_at(16, 64)", NO_CTYPES),
    Attempt("from_address", "import ctypes\n(ctypes.c_char * 16).from_address(16)[:]", NO_CTYPES),
    Attempt(
        "a function of an address",
        "import ctypes\nctypes.CFUNCTYPE(ctypes.c_int)(0x41414141)()",
        NO_CTYPES,
    ),
    Attempt(
        "numpy.ctypeslib",
        "import numpy.ctypeslib as c\nc.load_library('libc', '/lib')",
        "raised OSError: no file with expected extension",
    ),
    Attempt(
        "as_array",
        "import numpy.ctypeslib as c\nc.as_array(16, (4,))",
        "raised AttributeError: module 'ctypes' has no attribute '_Pointer'",
    ),
    Attempt(
        "cffi",
        "import cffi\ncffi.FFI().dlopen(None)",
        "raised ModuleNotFoundError: No module named 'cffi'",
    ),
    Attempt(
        "strides beyond the end",
        STRIDED + "as_strided(one, (2**31 - 1,), (1,)).sum()",
        OUT_OF_BOUNDS,
    ),
    Attempt(
        "strides before the beginning",
        STRIDED + "as_strided(one, (2**30,), (-1,))[-1]",
        OUT_OF_BOUNDS,
    ),
    Attempt("one step far out", STRIDED + "as_strided(one, (2,), (2**31 - 1,))[1]", OUT_OF_BOUNDS),
    Attempt(
        "writing beyond the end",
        STRIDED + "as_strided(one, (2**28,), (1,))[:] = 255",
        OUT_OF_BOUNDS,
    ),
    Attempt(
        "strides of an own __array_interface__",
        POINTER + "int(at(0x7fff_ff00, 64)[0])",
        OUT_OF_BOUNDS,
    ),
    Attempt("a pointer at the end of 4 GiB", POINTER + "int(at(-64, 64)[0])", OUT_OF_BOUNDS),
    Attempt("a pointer to be written to", POINTER + "at(0x7000_0000, 64)[:] = 1", OUT_OF_BOUNDS),
    Attempt("zeros over the whole memory", POINTER + "at(1024, 150 << 20)[:] = 0", UNREACHABLE),
    Attempt("ones over the whole memory", POINTER + "at(1024, 150 << 20)[:] = 255", OUT_OF_BOUNDS),
    Attempt(
        "an object array of numbers",
        POINTER + "a = np.array([0x7000_0000], 'u4')\nnp.ndarray((1,), object, a.data)",
        OUT_OF_BOUNDS,
    ),
    Attempt(
        "__setstate__ of an array",
        "import numpy as np\na = np.ones(1)\na.__setstate__((1, (10**8,), np.dtype('f8'), False, b'short'))",
        "raised ValueError: buffer size does not match array size",
    ),
    Attempt(
        "sklearn's tree with forged nodes",
        "import numpy as np\nfrom sklearn.tree import DecisionTreeClassifier as T\n"
        "t = T().fit([[0], [1]], [0, 1])\nt.tree_.children_left[0] = 2**27\nt.predict([[0]])",
        OUT_OF_BOUNDS,
    ),
    Attempt(
        "scipy.sparse with forged indices",
        "import numpy as np, scipy.sparse as s\nm = s.csr_matrix(np.eye(3))\n"
        "m.indices[:] = 2**28\n(m @ np.ones(3)).shape",
        OUT_OF_BOUNDS,
    ),
    Attempt(
        "a forged report",
        f'import os, posix\nposix.write = lambda *_: 0\nos.write({REPLY_FD}, b\'{{"status": "mine"}}\\n\')\n1',
        "lost ProtocolViolation: the worker broke the protocol: not a report of a guest: Invalid enum value 'mine' - at `$.status`",
    ),
]

BOMBS = [
    Attempt(
        "more than an address holds",
        "import numpy as np\nnp.ones(2**40)",
        "raised ValueError: Maximum allowed dimension exceeded",
    ),
    Attempt(
        "three gigabytes",
        "import numpy as np\nnp.ones(3 * 10**9, 'u1')",
        "raised ValueError: Maximum allowed dimension exceeded",
    ),
    Attempt("two gigabytes", "import numpy as np\nnp.ones(2 * 10**9, 'u1')", TOO_MUCH),
    Attempt(
        "half a gigabyte, not touched",
        "import numpy as np\nnp.empty(500 << 20, 'u1').size",
        TOO_MUCH,
    ),
    Attempt(
        "a huge figure",
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(600, 600)).savefig('a.png')",
        TOO_MUCH,
    ),
    Attempt(
        "all pairs",
        "import numpy as np\nfrom scipy.spatial.distance import pdist\npdist(np.ones((20_000, 2)))",
        TOO_MUCH,
    ),
    Attempt(
        "an outer join",
        "import numpy as np, pandas as pd\nd = pd.DataFrame({'k': np.zeros(10**5, 'i1')})\nlen(d.merge(d, on='k'))",
        "raised ValueError: array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size.",
    ),
    Attempt(
        "entities that grow",
        "from lxml import etree\n"
        "d = '<!DOCTYPE r [<!ENTITY a0 \"x\">'\n"
        "d += ''.join('<!ENTITY a%d \"%s\">' % (i, '&a%d;' % (i - 1) * 10) for i in range(1, 10))\n"
        "len(etree.fromstring(d + ']><r>&a9;</r>').text)",
        "raised lxml.etree.XMLSyntaxError: Maximum entity amplification factor exceeded, see xmlCtxtSetMaxAmplification., line 1, column 5 (<string>, line 1)",
    ),
]

RECURSION = [
    Attempt(
        "pickling a deep list",
        "import pickle\nx = []\nfor _ in range(10**6): x = [x]\npickle.dumps(x)",
        STACK_EXHAUSTED,
    ),
    Attempt(
        "repr of a deep list", "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)", STACK_EXHAUSTED
    ),
    Attempt(
        "freeing a deep tuple", "x = None\nfor _ in range(10**6): x = (x,)\ndel x", STACK_EXHAUSTED
    ),
    Attempt(
        "deep JSON",
        "import json\njson.loads('[' * 10**6)",
        "raised RecursionError: Stack overflow (used 1008 kB) while decoding a JSON array from a unicode string",
    ),
    Attempt(
        "deep parentheses",
        "eval('(' * 10**4 + ')' * 10**4)",
        "raised MemoryError: Parser stack overflowed - Python source too complex to parse",
    ),
    Attempt("a deep expression", "import re\nre.compile('(' * 50_000 + ')' * 50_000)", TOO_DEEP),
    Attempt(
        "views of views",
        "import numpy as np\nfrom numpy.lib.stride_tricks import as_strided\na = np.ones(3)\n"
        "for _ in range(10**5): a = as_strided(a)\ndel a",
        STACK_EXHAUSTED,
    ),
    Attempt(
        "arrays in arrays",
        "import numpy as np\na = np.array([1], object)\nfor _ in range(10**5):\n"
        "    b = np.empty(1, object)\n    b[0] = a\n    a = b\na + 1",
        OUT_OF_BOUNDS,
    ),
    Attempt(
        "types in types",
        "import numpy as np\nd = np.dtype('i1')\nfor _ in range(3000): d = np.dtype([('a', d)])\nrepr(d)",
        TOO_DEEP,
    ),
    Attempt(
        "deep XML",
        "from lxml import etree\netree.fromstring('<a>' * 10**5 + '</a>' * 10**5)",
        "raised lxml.etree.XMLSyntaxError: Excessive depth in document: 256, use XML_PARSE_HUGE option, line 1, column 771 (<string>, line 1)",
    ),
    Attempt(
        "deep SQL",
        "import sqlite3\nsqlite3.connect(':memory:').execute('select ' + '(' * 5000 + '1' + ')' * 5000)",
        "raised sqlite3.OperationalError: Recursion limit",
    ),
    Attempt(
        "a deep dendrogram",
        "import numpy as np\nfrom scipy.cluster.hierarchy import dendrogram, linkage\n"
        "dendrogram(linkage(np.cumsum(np.arange(3000.0)).reshape(-1, 1)), no_plot=True)",
        TOO_DEEP,
    ),
    Attempt(
        "a deep sum",
        "import sympy\nx = sympy.Symbol('x')\nfor _ in range(3000): x = sympy.sin(x)\nstr(x)",
        TOO_DEEP,
    ),
]

PICKLES = [
    Attempt(
        "os.system in a pickle",
        "import pickle\npickle.loads(b\"cos\\nsystem\\n(S'id'\\ntR.\")",
        lacks("system"),
    ),
    Attempt(
        "open in a pickle",
        "import pickle\nclass E:\n    def __reduce__(self): return open, (canary['file'],)\npickle.loads(pickle.dumps(E()))",
        absent(),
    ),
    Attempt(
        "open in an array",
        "import io, numpy as np\nclass E:\n    def __reduce__(self): return open, (canary['file'],)\n"
        "b = io.BytesIO()\nnp.save(b, np.array([E()], object), allow_pickle=True)\nb.seek(0)\nnp.load(b, allow_pickle=True)",
        absent(),
    ),
    Attempt(
        "open in joblib's file",
        "import joblib\nclass E:\n    def __reduce__(self): return open, (canary['file'],)\njoblib.dump(E(), 'a')\njoblib.load('a')",
        absent(),
    ),
    Attempt(
        "an array that is not pickled",
        "import io, numpy as np\nb = io.BytesIO()\nnp.save(b, np.array([{}], object))\nb.seek(0)\nnp.load(b)",
        "raised ValueError: Object arrays cannot be loaded when allow_pickle=False",
    ),
    Attempt(
        "towards the host",
        "class E:\n    def __reduce__(self): return open, (canary['file'],)\n    def __repr__(self): return 'E'\nE()",
        "ok 'E'",
    ),
    Attempt(
        "an object array towards the host",
        "import numpy as np\nclass E:\n    def __reduce__(self): return open, (canary['file'],)\n    def __repr__(self): return 'E'\nnp.array([E()])",
        "ok 'array([E], dtype=object)'",
    ),
]

PROCESSES = [
    Attempt("a thread", "import threading\nthreading.Thread(target=print).start()", NO_THREAD),
    Attempt("a bare thread", "import _thread\n_thread.start_new_thread(print, ())", NO_THREAD),
    Attempt(
        "a pool of threads",
        "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor().submit(print)",
        NO_THREAD,
    ),
    Attempt("a pool of processes", "from multiprocessing import Pool\nPool(2)", lacks("pipe")),
    Attempt(
        "a pool of joblib's",
        "from joblib.externals.loky import get_reusable_executor\nget_reusable_executor(2).submit(print).result()",
        "raised ModuleNotFoundError: No module named '_multiprocessing'",
    ),
    Attempt(
        "another interpreter",
        "from concurrent import interpreters\ninterpreters.create()",
        "raised ModuleNotFoundError: No module named '_interpreters'",
    ),
    Attempt("fork", "import os\nos.fork()", lacks("fork")),
    Attempt("exec", "import os\nos.execv('/bin/sh', ['sh'])", lacks("execv")),
    Attempt("spawn", "import os\nos.posix_spawn('/bin/sh', ['sh'], {})", lacks("posix_spawn")),
    Attempt("system", "import os\nos.system('id')", lacks("system")),
    Attempt(
        "popen",
        "import os\nos.popen('id')",
        "raised OSError: [Errno 58] wasi does not support processes.",
    ),
    Attempt(
        "subprocess",
        "import subprocess\nsubprocess.run(['id'])",
        "raised OSError: [Errno 58] wasi does not support processes.",
    ),
    Attempt("kill", "import os\nos.kill(canary['pid'], 9)", lacks("kill")),
    Attempt("a signal to itself", "import signal\nsignal.raise_signal(9)", UNREACHABLE),
    Attempt("abort", "import os\nos.abort()", UNREACHABLE),
    Attempt(
        "leaving at once",
        "import os\nos._exit(0)",
        "lost GuestExited: the guest ended its own process: exit status 0",
    ),
    Attempt("a null pointer", "import faulthandler\nfaulthandler._sigsegv()", UNREACHABLE),
]

ATTEMPTS = [*FILES, *NETWORK, *POINTERS, *BOMBS, *RECURSION, *PICKLES, *PROCESSES]


def said(outcome: dspex.Outcome, canary: Canary) -> str:
    """Return how a run ended, without what depends on the image's size and on the canary's ports."""
    text = re.sub(r"[\d.]+ [KMG]iB spent", "SPENT", ending(outcome, canary))
    return text.replace(f":{canary.known['tcp']}/", ":PORT/")


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=names(ATTEMPTS))
def test_it_fails_in_exactly_this_way(attack: Attack, canary: Canary, attempt: Attempt) -> None:
    assert said(attack(attempt.code), canary) == attempt.ending


@pytest.mark.parametrize(
    ("byte", "first"), [(0, 1024), (255, 1024), (0, 8 << 20), (255, 8 << 20), (0x41, 64 << 20)]
)
def test_a_guest_that_overwrites_its_memory_ends_only_itself(
    attack: Attack, byte: int, first: int
) -> None:
    image = scientific.runtime(Silent()) / MEMORY
    before = hashlib.sha256(image.read_bytes()).digest()
    outcome = attack(
        POINTER + f"at({first}, (150 << 20) - {first})[:] = {byte}\nprint('still here')"
    )

    assert (outcome.status, outcome.value) in {("lost", None), ("raised", None)}, outcome
    assert hashlib.sha256(image.read_bytes()).digest() == before


def test_a_guest_in_a_process_that_had_others_finds_nothing_of_them(canary: Canary) -> None:
    """Search the whole memory for what the one before it, in the same process, has left there."""
    plant = POINTER + "kept = bytes(a ^ 0x5A for a in b'/<(#*2?4.7?4.#/+') * 1000\nlen(kept)"
    with dspex.Engine(
        policy="numeric", languages=[], requests_per_worker=10, workers_max=1
    ) as engine:
        planted = engine.run(plant, image="scientific")
        assert planted.value == 16_000
        search = POINTER + (
            "wanted = bytes(a ^ 0x5A for a in b'/<(#*2?4.7?4.#/+')\n"
            f"bytes(at(1024, {planted.usage.peak_memory_bytes} - 1024)).count(wanted * 3)"
        )
        assert engine.run(search, image="scientific").value == 0
        twin = engine.run(f"{plant}\n{search}", image="scientific")
        assert isinstance(twin.value, int)
        assert twin.value > 0
    canary.check()


TWINS = {
    "np.save and np.load": ("import numpy as np\nnp.save('a.npy', np.ones(3))\nnp.load('a.npy').tolist()", [1.0] * 3),
    "a file of the caller's": ("import pandas as pd\npd.read_csv('in.csv').a.tolist()", [1, 2]),
    "an own pickle": ("import pickle, numpy as np\npickle.loads(pickle.dumps(np.ones(2))).tolist()", [1.0, 1.0]),
    "an object array of its own": (
        ("import io, numpy as np\nb = io.BytesIO()\nnp.save(b, np.array([{1}], object))\nb.seek(0)\n"
        "np.load(b, allow_pickle=True).tolist()"), [{1}],
    ),
    "an own database": (
        ("import sqlite3\nc = sqlite3.connect('a.db')\nc.execute('create table t as select 5 as n')\nc.commit()\n"
        "sqlite3.connect('a.db').execute('select n from t').fetchone()"), (5,),
    ),
    "an own entity": (
        "from lxml import etree\netree.fromstring('<!DOCTYPE r [<!ENTITY x \"inside\">]><r>&x;</r>').text", "inside",
    ),
    "strides inside": (
        ("import numpy as np\nfrom numpy.lib.stride_tricks import as_strided, sliding_window_view\n"
        "a = np.arange(5, dtype='i4')\n[as_strided(a, (2,), (8,)).tolist(), sliding_window_view(a, 4).sum(axis=1).tolist()]"),
        [[0, 2], [6, 10]],
    ),
    "an interface to its own array": (POINTER + "a = np.arange(4, dtype='u1')\nat(a.ctypes.data, 4).tolist()", [0, 1, 2, 3]),
    "a hundred million bytes": ("import numpy as np\nint(np.ones(100_000_000, 'u1').sum())", 100_000_000),
    "nesting that is not too deep": (
        "import json, pickle\nx = json.loads('[' * 5000 + ']' * 5000)\nlen(repr(x))", 10_000,
    ),
    "n_jobs, one after the other": (
        "from joblib import Parallel, delayed\nParallel(n_jobs=2)(delayed(abs)(n) for n in [-1, 2])", [1, 2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_its_honest_twin_works(attack: Attack, name: str) -> None:
    code, expected = TWINS[name]
    outcome = attack(code, files={"in.csv": b"a\n1\n2\n"})

    assert (outcome.status, outcome.error) == ("ok", None)
    assert outcome.value == expected


def test_a_tool_that_is_granted_reaches_what_the_caller_lets_it(attack: Attack) -> None:
    assert attack("fetch('x') * 2", tools={"fetch": lambda name: name + "!"}).value == "x!x!"
