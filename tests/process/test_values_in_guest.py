"""Both halves of the value codec with a real guest between them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings

from tests.unit.crossing import same, values

if TYPE_CHECKING:
    import dspex


@given(value=values)
@settings(
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_value_comes_back_from_a_guest_as_it_went_in(
    engine: "dspex.Engine", value: object
) -> None:
    outcome = engine.run("value", variables={"value": value})
    assert (outcome.status, outcome.notes) == ("ok", ())
    assert same(outcome.value, value)


def test_a_guest_can_compute_with_what_it_was_given(engine: "dspex.Engine") -> None:
    outcome = engine.run(
        "(when + step, price * 3, names | {'c'}, {key: sum(row) for key, row in rows.items()})",
        variables={
            "when": datetime(2024, 2, 28, 23, tzinfo=UTC),
            "step": timedelta(hours=2),
            "price": Decimal("0.10"),
            "names": {"a"},
            "rows": {(1, 2): [1.5, 2], "x": (2**70, 1)},
        },
    )
    assert same(
        outcome.value,
        (
            datetime(2024, 2, 29, 1, tzinfo=UTC),
            Decimal("0.30"),
            {"a", "c"},
            {(1, 2): 3.5, "x": 2**70 + 1},
        ),
    )


def test_what_cannot_cross_is_given_as_its_repr_with_its_place(engine: "dspex.Engine") -> None:
    outcome = engine.run(
        "class Lock:\n    def __repr__(self): return '<lock>'\n{'a': [0, (Lock(),)]}"
    )
    assert outcome.status == "ok"
    assert outcome.value == {"a": [0, ("<lock>",)]}
    assert outcome.notes == ("value['a'][1][0]: Lock cannot cross, its repr is given",)
    assert outcome.as_dict()["value"] == {"a": [0, {"$": ["tuple", ["<lock>"]]}]}


def test_a_program_cannot_break_the_codec_by_changing_json(engine: "dspex.Engine") -> None:
    program = """
import json, binascii, datetime
json.encoder.JSONEncoder.iterencode = json.encoder.c_make_encoder = None
binascii.b2a_base64 = datetime.timedelta = None
[1, (2,), {"$": b"3"}, datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)]
"""
    outcome = engine.run(program)
    assert outcome.status == "ok"
    assert outcome.value == [1, (2,), {"$": b"3"}, datetime(2024, 1, 1, tzinfo=UTC)]
