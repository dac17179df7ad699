"""Exit codes are a promise to scripts."""

from __future__ import annotations

from typing import get_args

import click
import pytest

from dspex.cli import exits
from dspex.outcome import Status


def test_every_status_has_the_exit_code_that_is_promised():
    assert exits.OF_STATUS == {"ok": 0, "raised": 1, "refused": 3, "limit": 4, "lost": 5}
    assert set(exits.OF_STATUS) == set(get_args(Status))


@pytest.mark.parametrize(
    ("error", "code"),
    [(exits.NotReadyError, 1), (exits.UnusableError, 2), (exits.LostError, 5)],
)
def test_an_error_of_a_command_prints_its_message_and_has_its_code(
    error: type[click.ClickException], code: int, capsys: pytest.CaptureFixture[str]
):
    error("no such thing").show()

    assert error.exit_code == code
    assert capsys.readouterr() == ("", "dspex: no such thing\n")
