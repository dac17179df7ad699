"""A figure that the program saves comes back as a picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import dspex

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = 4
PLOT = """
import numpy as np
import matplotlib.pyplot as plt
x = np.linspace(0, 10, 200)
plt.figure(figsize=(4, 3), dpi=100)
plt.plot(x, np.sin(x), color="red", label="$\\\\sin x$")
plt.title("a title")
plt.legend()
plt.savefig("plot.png")
"""


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Decode a PNG of 8-bit RGBA.

    Returns:
        Shape (height, width, 4).
    """
    assert png.startswith(SIGNATURE)
    at, packed, size = len(SIGNATURE), b"", (0, 0)
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", png, at + 8 + length)[0] == zlib.crc32(kind + body)
        if kind == b"IHDR":
            width, height, depth, colours = struct.unpack_from(">IIBB", body)
            assert (depth, colours) == (8, 6)
            size = (height, width)
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    height, width = size
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * CHANNELS)
    made = np.zeros((height + 1, (width + 1) * CHANNELS), np.int64)
    for y in range(height):
        filtered, above = rows[y], made[y]
        line = made[y + 1]
        for i in range(CHANNELS, (width + 1) * CHANNELS):
            left, up, corner = line[i - CHANNELS], above[i], above[i - CHANNELS]
            line[i] = (filtered[i - CHANNELS + 1] + _predicted(filtered[0], left, up, corner)) & 0xFF
    return made[1:, CHANNELS:].astype(np.uint8).reshape(height, width, CHANNELS)


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        estimate = left + up - corner
        return min((left, up, corner), key=lambda one: abs(estimate - one))
    return (0, left, up, (left + up) // 2)[kind]


def test_a_saved_figure_is_among_the_files(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run(PLOT)

    assert outcome.ok, outcome.error
    assert list(outcome.files) == ["plot.png"]
    picture = pixels(outcome.files["plot.png"])
    assert picture.shape == (300, 400, 4)
    red = (picture[..., 0] > 200) & (picture[..., 1] < 80) & (picture[..., 2] < 80)
    dark = picture[..., :3].max(axis=2) < 80
    white = picture[..., :3].min(axis=2) > 250
    assert red.sum() > 300, "the curve"
    assert dark[:35].sum() > 50, "the title"
    assert white.mean() > 0.8


def test_other_formats_and_show_work_without_a_screen(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run(
        "import matplotlib.pyplot as plt\nplt.bar(['a', 'b'], [1, 2])\nplt.show()\n"
        "plt.savefig('a.svg')\nplt.savefig('a.pdf')"
    )

    assert outcome.ok, outcome.error
    assert outcome.files["a.svg"].startswith(b"<?xml")
    assert outcome.files["a.pdf"].startswith(b"%PDF")


def test_figures_of_pandas_and_seaborn_work(run: Callable[..., dspex.Outcome]) -> None:
    outcome = run(
        "import pandas as pd, seaborn as sns\n"
        "d = pd.DataFrame({'a': [1, 2, 2, 3]})\nd.plot().figure.savefig('p.png')\n"
        "sns.histplot(d).figure.savefig('s.png')"
    )

    assert outcome.ok, outcome.error
    assert all(data.startswith(SIGNATURE) for data in outcome.files.values())
    assert set(outcome.files) == {"p.png", "s.png"}
