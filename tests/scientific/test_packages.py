"""Small programs of the kinds that people run, one per package and corner of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dspex

PROGRAMS = {
    "solving a linear system": (
        "import numpy as np\nx = np.linalg.solve([[3, 1], [1, 2]], [9, 8])\nx.round(9).tolist()",
        [2.0, 3.0],
    ),
    "singular values": (
        "import numpy as np\nnp.linalg.svd(np.diag([3.0, 2.0, 1.0]), compute_uv=False).tolist()",
        [3.0, 2.0, 1.0],
    ),
    "a Fourier transform": (
        ("import numpy as np\nt = np.arange(64) / 64\n"
        "int(np.abs(np.fft.rfft(np.sin(2 * np.pi * 5 * t))).argmax())"),
        5,
    ),
    "einsum and broadcasting": (
        ("import numpy as np\na = np.arange(6).reshape(2, 3)\n"
        "[np.einsum('ij->j', a).tolist(), (a * a[:, :1]).sum().item()]"),
        [[3, 5, 7], 36],
    ),
    "grouping a frame": (
        ("import pandas as pd\nd = pd.DataFrame({'k': list('abab'), 'v': [1, 2, 3, 4]})\n"
        "d.groupby('k').v.sum().to_dict()"),
        {"a": 4, "b": 6},
    ),
    "joining, pivoting and dates": (
        ("import io, pandas as pd\n"
        "a = pd.read_csv(io.StringIO('d,x\\n2026-01-31,1\\n2026-02-01,2\\n'), parse_dates=['d'])\n"
        "m = a.merge(a.assign(y=a.x * 10)[['d', 'y']], on='d')\n"
        "[m.d.dt.month.tolist(), m.set_index('d').resample('MS').y.sum().tolist()]"),
        [[1, 2], [10, 20]],
    ),
    "a spreadsheet, written and read": (
        ("import pandas as pd\npd.DataFrame({'a': [1, 2]}).to_excel('/tmp/a.xlsx', index=False)\n"
        "pd.read_excel('/tmp/a.xlsx').a.tolist()"),
        [1, 2],
    ),
    "a time zone": (
        "import pandas as pd\nstr(pd.Timestamp('2026-07-01 12:00', tz='UTC').tz_convert('Europe/Berlin'))",
        "2026-07-01 14:00:00+02:00",
    ),
    "minimising": (
        ("from scipy import optimize\n"
        "optimize.minimize(lambda v: (v[0] - 1) ** 2 + (v[1] + 2) ** 2, [0, 0]).x.round(4).tolist()"),
        [1.0, -2.0],
    ),
    "fitting a curve": (
        ("import numpy as np\nfrom scipy.optimize import curve_fit\nx = np.linspace(0, 1, 20)\n"
        "curve_fit(lambda x, a, b: a * np.exp(b * x), x, 2 * np.exp(0.5 * x))[0].round(6).tolist()"),
        [2.0, 0.5],
    ),
    "integrating": (
        "from scipy import integrate\nround(integrate.quad(lambda x: x * x, 0, 3)[0], 9)", 9.0,
    ),
    "a differential equation": (
        ("from scipy.integrate import solve_ivp\n"
        "round(float(solve_ivp(lambda t, y: -y, (0, 1), [1.0]).y[0, -1]), 2)"), 0.37,
    ),
    "a test of two samples": (
        "from scipy import stats\nround(float(stats.ttest_ind([1, 2, 3], [4, 5, 6]).pvalue), 6)", 0.021312,
    ),
    "a sparse system": (
        ("import numpy as np\nfrom scipy.sparse import diags\nfrom scipy.sparse.linalg import spsolve\n"
        "spsolve(diags([[2.0, 4.0]], [0]).tocsc(), np.array([2.0, 8.0])).tolist()"),
        [1.0, 2.0],
    ),
    "a filter": (
        ("import numpy as np\nfrom scipy import signal\nb, a = signal.butter(2, 0.5)\n"
        "round(float(signal.filtfilt(b, a, np.ones(20)).mean()), 6)"), 1.0,
    ),
    "interpolating": (
        ("from scipy.interpolate import CubicSpline\n"
        "round(float(CubicSpline([0, 1, 2, 3], [0, 1, 8, 27])(1.5)), 6)"), 3.375,
    ),
    "nearest neighbours in space": (
        "from scipy.spatial import KDTree\nint(KDTree([[0, 0], [1, 1]]).query([0.9, 0.8])[1])", 1,
    ),
    "clustering": (
        ("import numpy as np\nfrom sklearn.cluster import KMeans\n"
        "x = np.array([[0, 0], [0, 1], [9, 9], [9, 8]])\n"
        "l = KMeans(2, n_init=5, random_state=0).fit_predict(x)\nbool(l[0] == l[1] != l[2] == l[3])"), True,
    ),
    "a forest": (
        ("from sklearn.datasets import load_iris\nfrom sklearn.ensemble import RandomForestClassifier\n"
        "x, y = load_iris(return_X_y=True)\n"
        "RandomForestClassifier(n_estimators=10, random_state=0).fit(x, y).score(x, y) > 0.95"), True,
    ),
    "a pipeline, cross-validated": (
        ("from sklearn.datasets import load_wine\nfrom sklearn.linear_model import LogisticRegression\n"
        "from sklearn.model_selection import cross_val_score\nfrom sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler\nx, y = load_wine(return_X_y=True)\n"
        "cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), x, y).mean().item() > 0.9"),
        True,
    ),
    "a support vector machine": (
        "from sklearn.svm import SVC\nSVC().fit([[0, 0], [1, 1]], [0, 1]).predict([[2, 2]]).tolist()", [1],
    ),
    "ordinary least squares": (
        ("import numpy as np, statsmodels.api as sm\n"
        "sm.OLS([1.0, 3.0, 5.0], sm.add_constant(np.arange(3.0))).fit().params.round(9).tolist()"),
        [1.0, 2.0],
    ),
    "algebra": (
        "import sympy\nx = sympy.Symbol('x')\nstr(sympy.integrate(x * sympy.cos(x), x))", "x*sin(x) + cos(x)",
    ),
    "a database": (
        ("import pandas as pd, sqlite3\nc = sqlite3.connect(':memory:')\n"
        "pd.DataFrame({'a': [1, 2]}).to_sql('t', c)\nc.execute('select sum(a) from t').fetchone()[0]"), 3,
    ),
    "the standard library": (
        ("import asyncio, decimal, hashlib, json, re, zoneinfo\n"
        "async def two():\n    await asyncio.sleep(0.001)\n    return 2\n"
        "[await two(), str(decimal.Decimal('0.1') * 3), hashlib.sha256(b'').hexdigest()[:8], re.sub('a', 'b', 'a')]"),
        [2, "0.3", "e3b0c442", "b"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_this_kind_works(value: Callable[..., Any], name: str) -> None:
    code, expected = PROGRAMS[name]

    assert value(code) == expected


def test_numbers_agree_with_the_hosts(value: Callable[..., Any]) -> None:
    program = """
import numpy as np
r = np.random.default_rng(7)
a = r.normal(size=(5, 5))
[a, np.linalg.inv(a), np.random.RandomState(3).rand(4), np.sin(a), r.permutation(9)]
"""
    r = np.random.default_rng(7)
    a = r.normal(size=(5, 5))
    expected = [a, np.linalg.inv(a), np.random.RandomState(3).rand(4), np.sin(a), r.permutation(9)]
    found = value(program)

    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_failure_inside_a_package_is_shown_with_the_programs_lines(
    run: Callable[..., dspex.Outcome],
) -> None:
    outcome = run("import pandas as pd\nframe = pd.DataFrame({'a': [1]})\nframe['missing']")

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert (outcome.error.type, outcome.error.message) == ("KeyError", "'missing'")
    assert "line 3, in <module>\n    frame['missing']" in outcome.error.traceback
    assert "pandas/core/frame.py" in outcome.error.traceback


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import threading\nthreading.Thread(target=print).start()", "RuntimeError"),
        ("import subprocess\nsubprocess.run(['ls'])", "OSError"),
        ("import ctypes\nctypes.CDLL(None)", "OSError"),
        ("open('/usr/local/lib/python315.zip', 'r+b')", "OSError"),
        ("import urllib.request\nurllib.request.urlopen('http://127.0.0.1')", "urllib.error.URLError"),
    ],
)
def test_what_a_sandbox_does_not_have_fails_as_an_ordinary_error(
    run: Callable[..., dspex.Outcome], code: str, error: str
) -> None:
    outcome = run(code)

    assert outcome.status == "raised"
    assert outcome.error is not None
    assert outcome.error.type == error


def test_a_tool_and_files_work_as_in_plain_python(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run(
        "import pandas as pd\nframe = pd.read_csv('in.csv')\nframe['b'] = [scale(n) for n in frame.a]\n"
        "frame.to_csv('out.csv', index=False)",
        files={"in.csv": b"a\n1\n2\n"},
        tools={"scale": lambda n: n * 10},
    )

    assert outcome.ok, outcome.error
    assert outcome.files == {"out.csv": b"a,b\n1,10\n2,20\n"}
