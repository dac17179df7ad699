# /// program
# about = "JSON: custom encoding, ordered keys, errors with positions, streams of documents."
# value = "[{'a': Decimal('1.10')}, [2], 'x']"
# stdout = '''
# {
#   "issued": {
#     "__date__": "2024-05-01"
#   },
#   "lines": [
#     {
#       "item": "tea ☕",
#       "price": "2.50"
#     }
#   ],
#   "number": 7
# }
# 2024-05-01
# line 1 column 6: Expecting '
# line 1 column 6: Expecting ',' delimite
# line 1 column 7: Expecting value
# line 1 column 1: Expecting value
# {"k": [1, null, true, NaN, Infinity]} "\u2028\u00e9"
# '''
# ///
import json
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal


@dataclass
class Invoice:
    number: int
    issued: date
    lines: list


class Encoder(json.JSONEncoder):
    def default(self, o):
        if isinstance(o, date):
            return {"__date__": o.isoformat()}
        if isinstance(o, Decimal):
            return str(o)
        return super().default(o)


def revive(obj):
    return date.fromisoformat(obj["__date__"]) if "__date__" in obj else obj


invoice = Invoice(7, date(2024, 5, 1), [{"item": "tea ☕", "price": Decimal("2.50")}])
text = json.dumps(asdict(invoice), cls=Encoder, indent=2, ensure_ascii=False, sort_keys=True)
print(text)
print(json.loads(text, object_hook=revive)["issued"])
for broken in ('{"a" 1}', "[1, 2", '{"a": nul}', ""):
    try:
        json.loads(broken)
    except json.JSONDecodeError as error:
        print(f"line {error.lineno} column {error.colno}: {error.msg.split(':')[0].split('(')[0].strip()[:22]}")
decoder, stream, found = json.JSONDecoder(parse_float=Decimal), '{"a": 1.10} [2] "x" ', []
while stream := stream.lstrip():
    document, end = decoder.raw_decode(stream)
    found.append(document)
    stream = stream[end:]
print(json.dumps({"k": [1, None, True, float("nan"), 1e400]}), json.dumps("\u2028é"))
found
