# /// program
# about = "Observers with weak references, an event bus, callbacks that die with their owner."
# value = "0"
# stdout = '''
# hall: tea now 3
# office: tea now 3
# 2
# hall: tea now 4
# 1 1
# {} ['hall is gone']
# '''
# ///
import gc
import weakref
from collections import defaultdict


class Bus:
    def __init__(self):
        self.handlers = defaultdict(list)

    def on(self, event, method):
        self.handlers[event].append(weakref.WeakMethod(method))

    def emit(self, event, **data):
        alive = 0
        for reference in list(self.handlers[event]):
            method = reference()
            if method is None:
                self.handlers[event].remove(reference)
            else:
                method(**data)
                alive += 1
        return alive


class Screen:
    def __init__(self, name, bus):
        self.name = name
        bus.on("price", self.show)

    def show(self, item, price):
        print(f"{self.name}: {item} now {price}")


bus = Bus()
hall, office = Screen("hall", bus), Screen("office", bus)
print(bus.emit("price", item="tea", price=3))
del office
gc.collect()
print(bus.emit("price", item="tea", price=4), len(bus.handlers["price"]))

registry = weakref.WeakValueDictionary(hall=hall)
deaths = []
weakref.finalize(hall, deaths.append, "hall is gone")
cycle = [hall]
hall.self = cycle
del hall, cycle
gc.collect()
print(dict(registry), deaths)
bus.emit("price", item="x", price=0)
