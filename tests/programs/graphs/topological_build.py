# /// program
# about = "Orders build steps with graphlib and finds a cycle."
# value = "['a', 'b', 'c']"
# stdout = '''
# wave 1: fetch
# wave 2: compile, fixtures
# wave 3: package, test
# wave 4: deploy
# cycle of 4 steps, closed: True
# '''
# ///
from graphlib import CycleError, TopologicalSorter

STEPS = {
    "deploy": {"test", "package"},
    "package": {"compile"},
    "test": {"compile", "fixtures"},
    "compile": {"fetch"},
    "fixtures": {"fetch"},
    "fetch": set(),
}

sorter = TopologicalSorter(STEPS)
sorter.prepare()
wave = 1
while sorter.is_active():
    ready = sorted(sorter.get_ready())
    print(f"wave {wave}: {', '.join(ready)}")
    sorter.done(*ready)
    wave += 1

try:
    list(TopologicalSorter(STEPS | {"fetch": {"deploy"}}).static_order())
except CycleError as error:
    cycle = error.args[1]
    print("cycle of", len(cycle) - 1, "steps, closed:", cycle[0] == cycle[-1])
list(TopologicalSorter({"c": ["b"], "b": ["a"]}).static_order())
