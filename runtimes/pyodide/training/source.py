"""Source text as data: compiled, parsed, walked and run, as every program is before it runs."""

import ast
import textwrap

SOURCE = textwrap.dedent('''
    """A module."""
    import math
    from collections import Counter as C, defaultdict

    LIMIT: int = 10
    names = [f"n{i:02d}" for i in range(LIMIT) if i % 2 == 0]

    class Box(object):
        size = 3

        def __init__(self, *items, label="box", **rest):
            self.items, self.label = list(items), label
            self.rest = {**rest, "n": len(items)}

        @property
        def total(self) -> float:
            return sum(x * 1.5 for x in self.items if x > 0) or 0.0

    def walk(tree, depth=0):
        try:
            for key, value in sorted(tree.items()):
                if isinstance(value, dict) and depth < LIMIT:
                    yield from walk(value, depth + 1)
                elif not value:
                    continue
                else:
                    yield key, value, depth
        except (AttributeError, TypeError) as error:
            raise ValueError("bad") from error
        finally:
            pass

    def classify(x):
        match x:
            case 0 | 1:
                return "bit"
            case [a, *others] if a:
                return lambda: (a, others)
            case {"k": v}:
                return v
            case _:
                return None

    found = list(walk({"a": 1, "b": {"c": 2, "d": {"e": 3}}, "z": 0}))
    box = Box(1, -2, 3, label="big", color="red")
    answer = box.total + len(found) + len(names) + len(classify(1)) + math.floor(2.7) + C("aab")["a"]
    i = 0
    while i < 100:
        i += 1
        if i == 50: break
    else:
        answer = -1
    print = None
''')


class Names(ast.NodeVisitor):
    def __init__(self):
        self.seen = {}

    def visit_Name(self, node):
        self.seen[node.id] = self.seen.get(node.id, 0) + 1
        self.generic_visit(node)


total = 0
for turn in range(12):
    names = {}
    exec(compile(SOURCE.replace("LIMIT", f"LIMIT{turn}"), f"turn{turn}.py", "exec"), names)
    total += int(names["answer"])
tree = ast.parse(SOURCE)
visitor = Names()
visitor.visit(tree)
total += visitor.seen["LIMIT"] + sum(1 for _ in ast.walk(tree)) // 1000
for n in range(250):
    total += eval(f"({n} + 3) * 2 - len('{n}') if {n} % 2 else [{n}, 1][1]")
assert total == 32060, total
