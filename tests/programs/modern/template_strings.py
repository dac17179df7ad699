# /// program
# about = "What is new in Python 3.14: t-strings, deferred annotations, zstd, except without brackets."
# since = "3.14"
# value = "6"
# stdout = '''
# <p>&lt;script&gt; costs 3.14 &#x27;&lt;script&gt;&#x27;</p>
# ('a', 'b') (2,) 1 + 1
# {'node': 'Node', 'other': 'Node', 'return': 'list[Node]'}
# name 'Node' is not defined
# refused x
# refused None
# True True
# 4 7
# '''
# ///
import annotationlib
import heapq
import uuid
from compression import zstd
from html import escape
from string.templatelib import Interpolation, Template


def html(template: Template) -> str:
    parts = []
    for part in template:
        if isinstance(part, Interpolation):
            value = part.value
            if part.conversion == "r":
                value = repr(value)
            parts.append(escape(format(value, part.format_spec)))
        else:
            parts.append(part)
    return "".join(parts)


def later(node: Node, other: "Node" = None) -> list[Node]:
    return [node]


evil, price = "<script>", 3.14159
print(html(t"<p>{evil} costs {price:.2f} {evil!r}</p>"))
template = t"a{1 + 1}b"
print(template.strings, template.values, template.interpolations[0].expression)
print(annotationlib.get_annotations(later, format=annotationlib.Format.STRING))
try:
    later.__annotations__
except NameError as error:
    print(error)
for bad in ("x", None):
    try:
        int(bad)
    except ValueError, TypeError:
        print("refused", bad)
data = b"again and again " * 100
print(zstd.decompress(zstd.compress(data)) == data, len(zstd.compress(data)) < 100)
heap = [3, 1, 4]
heapq.heapify_max(heap)
print(heapq.heappop_max(heap), uuid.uuid7().version)
sum(map(int, "123", strict=True))
