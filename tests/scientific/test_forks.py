"""A session of the scientific image is forked by copying its process; nothing else can copy it."""

from __future__ import annotations

import dspex


def test_arrays_are_shared_until_one_writes_and_randomness_is_not(numeric: dspex.Engine) -> None:
    with numeric.session(image="scientific") as session:
        session.run("import numpy as np, pandas as pd, random\nx = np.arange(5)\nframe = pd.DataFrame({'a': x})")
        with session.fork() as twin:
            assert twin.run("x += 1\nint(x.sum()), int(frame.a.sum())").value == (15, 10)
            assert session.run("int(x.sum())").value == 10
            for draw in ("random.random()", "float(np.random.rand())"):
                assert twin.run(draw).value != session.run(draw).value


def test_an_interrupt_reaches_only_the_one_that_it_is_for(numeric: dspex.Engine) -> None:
    with numeric.session(image="scientific") as session:
        session.run("x = 1")
        with session.fork() as twin:
            assert twin.run("while True: x += 1", timeout_s=0.3).status == "limit"
            assert session.run("sum(range(10**6)), x").value == (499999500000, 1)
            assert twin.run("x > 1").value is True
            assert session.run("while True: pass", timeout_s=0.3).status == "limit"
            assert twin.run("x > 1").value is True
