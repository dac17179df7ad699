"""DSPy's recursive language model over 4,000 messy orders, its code run by dspex.

The model never sees the file: it writes Python that looks into it, asks a model about what it found, and
submits an answer. So that this runs without a network, the model is a script served over local HTTP
(`scripted_model.py`); everything else is the real `dspy.RLM`. To let a real model do it, say which:

    python examples/rlm_agent.py [--model openai/... --api-base URL]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripted_model import ScriptedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else fetched when it is imported

try:
    import dspy

    from dspex.integrations.dspy import Interpreter
except ImportError as error:
    sys.exit(f"{error}\nThis example needs DSPy: pip install 'dspex[dspy]'")

ORDERS = Path(__file__).parent / "data" / "orders.csv"
QUESTION = "How many orders came from Germany, however the country is written, and which share is that?"
WIDTH = 96


def reply(reasoning: str, code: str) -> str:
    """Return what a model says to `dspy.RLM`, in the format of DSPy's chat adapter."""
    return (
        f"[[ ## reasoning ## ]]\n{reasoning}\n\n"
        f"[[ ## code ## ]]\n```python\n{code}\n```\n\n[[ ## completed ## ]]"
    )


def german(messages: list[dict[str, Any]]) -> str:
    """Play the model that is asked which of some spellings mean Germany."""
    prompt = str(messages[-1]["content"])
    asked = json.loads(re.findall(r"\[.*?\]", prompt, re.DOTALL)[0])
    known = {"germany", "de", "deutschland", "ger", "brd", "d"}
    return json.dumps([one for one in asked if one.strip().lower().rstrip(".") in known])


SCRIPT = [
    reply(
        "First I look at the data.",
        "print(len(orders_csv), 'characters')\nprint(orders_csv[:300])",
    ),
    reply(
        "It is CSV. I count the spellings of countries.",
        "import csv, io\nfrom collections import Counter\n"
        "rows = list(csv.DictReader(io.StringIO(orders_csv)))\n"
        "countries = Counter(row['Country'] for row in rows)",
    ),
    reply(
        "The column is called `country`.",
        "countries = Counter(row['country'] for row in rows)\n"
        "print(len(rows), 'rows,', len(countries), 'spellings:', countries.most_common(12))",
    ),
    reply(
        "Which of them mean Germany is a question of meaning, so I ask a model.",
        "import json\n"
        "asked = json.dumps(sorted(countries))\n"
        "german = json.loads(llm_query(f'Which of these mean Germany? Answer as JSON: {asked}'))\n"
        "print(german)",
    ),
    german,
    reply(
        "Now the rest is arithmetic.",
        "orders = sum(countries[one] for one in german)\n"
        "SUBMIT(answer=f'{orders} of {len(rows)} orders came from Germany', orders=orders,\n"
        "       share=orders / len(rows))",
    ),
]


@contextlib.contextmanager
def language_model(name: str | None, api_base: str | None) -> Iterator[Any]:
    """Yield the model that was asked for, or the scripted one."""
    if name is not None:
        yield dspy.LM(name, api_base=api_base)
        return
    with ScriptedModel(SCRIPT) as model:
        yield dspy.LM("openai/scripted", api_base=model.url, api_key="none", cache=False)


def main() -> None:
    """Ask, and show how the answer came about."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", help="a model's name as DSPy takes it")
    parser.add_argument("--api-base", help="where it is served")
    given = parser.parse_args()
    with language_model(given.model, given.api_base) as model, dspy.context(lm=model):
        agent = dspy.RLM(
            "orders_csv, question -> answer, orders: int, share: float",
            max_iters=8,
            interpreter_factory=Interpreter,
        )
        found = agent(orders_csv=ORDERS.read_text(encoding="utf-8-sig"), question=QUESTION)
    print(QUESTION)
    for number, step in enumerate(found.trajectory, 1):
        print(f"\n{number}. {step['reasoning']}")
        for line in str(step["output"]).splitlines()[:4]:
            print(f"   | {line[:WIDTH]}")
    print(f"\n{found.answer} ({found.share:.1%}).")


if __name__ == "__main__":
    main()
