# /// program
# about = "StringIO, BytesIO, TextIOWrapper, redirection and pprint."
# value = "\"[{'a': 2, 'b': 1}]\""
# stdout = '''
# 'inside\nalso inside\n'
# ['one\n', 'two\n', 'three']
# b'hello world' b'hello' a
# {'deep': {'a': {'b': {...}}},
#  'list': [0,
#           1,
#           2,
#           3,
#           4,
#           5,
#           6,
#           7,
#           8,
#           9,
#           10,
#           11,
#           12,
#           13,
#           14,
#           15,
#           16,
#           17,
#           18,
#           19,
#           20,
#           21,
#           22,
#           23,
#           24],
#  'name': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
#  'set': {1, 2, 3}}
# '''
# ///
import io
import pprint
import sys
from contextlib import redirect_stderr, redirect_stdout

out = io.StringIO()
with redirect_stdout(out), redirect_stderr(out):
    print("inside")
    sys.stderr.write("also inside\n")
print(repr(out.getvalue()))

raw = io.BytesIO(b"one\r\ntwo\nthree")
text = io.TextIOWrapper(raw, encoding="ascii")
print(text.readlines())
buffer = io.BytesIO()
writer = io.BufferedWriter(buffer, 4)
writer.write(b"hello world")
writer.flush()
print(buffer.getvalue(), buffer.getbuffer()[:5].tobytes(), io.StringIO("a,b").read(1))
nested = {"name": "x" * 30, "list": list(range(25)), "deep": {"a": {"b": {"c": [1, 2]}}}, "set": {3, 1, 2}}
pprint.pprint(nested, width=60, depth=3)
pprint.pformat([{"b": 1, "a": 2}], compact=True)
