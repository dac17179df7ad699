# /// program
# about = "A small JSON validator with paths in its errors, recursion, encoders and decoders of its own."
# stdout = '''
# $: 'name' is missing
# $.items[1].n: 0 is less than 1
# $.items[2].n: expected integer, got bool
# $.kind: 'c' is none of ['a', 'b']
# True ['published', 'tags', 'title'] {'path': 'p', 'message': 'm'} {'strict': True}
# Object of type set is not JSON serializable
# Expecting value 3
# '''
# [wrote]
# "shelf.json" = '''
# {
#   "books": [
#     {
#       "$type": "Book",
#       "published": "1965-08-01",
#       "tags": [
#         "sf"
#       ],
#       "title": "Dune"
#     }
#   ],
#   "count": 1
# }'''
# ///
import json
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, get_type_hints


class Problem(NamedTuple):
    path: str
    message: str


class Options(TypedDict, total=False):
    strict: bool


def validate(value: Any, schema: dict, path: str = "$") -> list[Problem]:
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    found: list[Problem] = []
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool))):
        return [Problem(path, f"expected {kind}, got {type(value).__name__}")]
    if "enum" in schema and value not in schema["enum"]:
        found.append(Problem(path, f"{value!r} is none of {schema['enum']}"))
    match value:
        case dict():
            for name in schema.get("required", []):
                if name not in value:
                    found.append(Problem(path, f"{name!r} is missing"))
            for name, below in schema.get("properties", {}).items():
                if name in value:
                    found += validate(value[name], below, f"{path}.{name}")
        case list():
            for at, one in enumerate(value):
                found += validate(one, schema.get("items", {}), f"{path}[{at}]")
        case int() | float() if value < schema.get("minimum", float("-inf")):
            found.append(Problem(path, f"{value} is less than {schema['minimum']}"))
    return found


@dataclass
class Book:
    title: str
    published: date
    tags: list[str] = field(default_factory=list)


class Encoder(json.JSONEncoder):
    def default(self, thing):
        if is_dataclass(thing):
            return {"$type": type(thing).__name__, **{f.name: getattr(thing, f.name) for f in fields(thing)}}
        if isinstance(thing, date):
            return thing.isoformat()
        return super().default(thing)


def revive(pairs):
    if pairs.get("$type") == "Book":
        return Book(pairs["title"], date.fromisoformat(pairs["published"]), pairs["tags"])
    return pairs


SCHEMA = {
    "type": "object",
    "required": ["name", "items"],
    "properties": {
        "name": {"type": "string"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}},
        "kind": {"enum": ["a", "b"]},
    },
}
for problem in validate({"items": [{"n": 1}, {"n": 0}, {"n": True}], "kind": "c"}, SCHEMA):
    print(f"{problem.path}: {problem.message}")
shelf = {"books": [Book("Dune", date(1965, 8, 1), ["sf"])], "count": 1}
Path("shelf.json").write_text(json.dumps(shelf, cls=Encoder, indent=2, sort_keys=True))
loaded = json.loads(Path("shelf.json").read_text(), object_hook=revive)
print(loaded == shelf, sorted(get_type_hints(Book)), Problem("p", "m")._asdict(), Options(strict=True))
try:
    json.dumps({1, 2}, cls=Encoder)
except TypeError as error:
    print(error)
try:
    json.loads("[1,?]")
except json.JSONDecodeError as error:
    print(error.msg, error.pos)
