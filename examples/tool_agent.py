"""An agent that writes programs: a language model gets a question and tools, and answers with code.

The model is asked over HTTP, in the format of OpenAI's chat completions. So that this runs without a
network, a small server in this process plays the model from a script; point `--base-url` (and
`--model`, with the key in OPENAI_API_KEY) at a real one to use that. Each answer's program runs in a
session; what it printed or raised goes back to the model until it calls `answer(...)`.

    python examples/tool_agent.py [--base-url URL] [--model NAME]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dspex

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TURNS_MAX = 8
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
QUESTION = "Which category sold most pieces in Germany, and how many orders was that?"
SYSTEM = """Answer the question by writing Python programs, one per message, in a block fenced with \
```python. State lives from program to program. You can call orders(country: str) -> list[dict], which \
returns the orders of a country, and answer(text: str), which ends the conversation."""

SCRIPT = (
    "Let me look at the data.\n```python\nrows = orders('Germany')\nprint(len(rows), rows[0])\n```",
    ("```python\nfrom collections import Counter\npieces, number = Counter(), Counter()\nfor row in rows:\n"
    "    pieces[row['category']] += int(row['quantity'])\n    number[row['category']] += 1\n```"),
    ("Quantities are not all plain numbers.\n```python\nimport re\npieces.clear(); number.clear()\n"
    "for row in rows:\n    found = re.search(r'\\d+', row['quantity'])\n    if found:\n"
    "        pieces[row['category']] += int(found[0])\n        number[row['category']] += 1\n"
    "print(pieces.most_common(3))\n```"),
    ("```python\nbest, count = pieces.most_common(1)[0]\n"
    "answer(f'{best}: {count} pieces in {number[best]} orders')\n```"),
)
"""What the model says, one message after the other; the second program fails on purpose."""


def ask(base_url: str, model: str, messages: list[dict[str, str]]) -> str:
    """Return a model's next message.

    Raises:
        OSError: The server cannot be reached, or answers with an error.
    """
    request = urllib.request.Request(
        f"{base_url}/chat/completions",
        data=json.dumps({"model": model, "messages": messages}).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        content: str = json.load(reply)["choices"][0]["message"]["content"]
        return content


def run_agent(base_url: str, model: str) -> str:
    """Let a model write programs until it has an answer."""
    table = list(csv.DictReader(io.StringIO((HERE / "data" / "orders.csv").read_text("utf-8-sig"))))
    answers: list[str] = []

    def orders(country: str) -> list[dict[str, str]]:
        """Return the orders of a country, as they were typed in."""
        return [row for row in table if row["country"].strip().lower() == country.lower()]

    def answer(text: str) -> None:
        """Give the final answer."""
        answers.append(text)

    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    tools = {"orders": orders, "answer": answer}
    with dspex.Engine("tool_user") as engine, engine.session(tools=tools) as session:
        for _ in range(TURNS_MAX):
            said = ask(base_url, model, messages)
            messages.append({"role": "assistant", "content": said})
            found = PROGRAM.search(said)
            outcome = session.run(found[1] if found else "print('no program in your message')")
            if answers:
                return answers[0]
            seen = outcome.stdout if outcome.ok else f"{outcome.stdout}{outcome.error.traceback}"  # type: ignore[union-attr]
            messages.append({"role": "user", "content": seen or "(no output)"})
            last = seen.strip().splitlines()[-1] if seen.strip() else "(no output)"
            print(f"program {len(messages) // 2 - 1}: {last[:90]}")
    return "no answer"


@contextmanager
def scripted_model() -> Iterator[str]:
    """Serve the script as a chat model; yield its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            turn = sum(one["role"] == "assistant" for one in asked["messages"])
            message = {"role": "assistant", "content": SCRIPT[min(turn, len(SCRIPT) - 1)]}
            reply: dict[str, Any] = {"choices": [{"index": 0, "message": message}]}
            body = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Ask the question and print the answer."""
    parser = argparse.ArgumentParser(description="Let a model answer a question with programs.")
    parser.add_argument("--base-url", metavar="URL", help="An OpenAI-compatible server, with /v1.")
    parser.add_argument("--model", default="scripted", metavar="NAME")
    wanted = parser.parse_args()
    print(f"question: {QUESTION}")
    if wanted.base_url:
        print(f"answer: {run_agent(wanted.base_url, wanted.model)}")
        return
    with scripted_model() as base_url:
        print(f"answer: {run_agent(base_url, wanted.model)}")


if __name__ == "__main__":
    main()
