# /// program
# about = "Enums with behaviour, flags and a state machine that refuses wrong steps."
# stdout = '''
# SENT -> NEW True
# ['new', 'paid', 'sent'] True State.PAID ['NEW', 'PAID', 'SENT', 'CANCELLED']
# Permission.READ|RUN True Permission.WRITE|RUN
# True [<Level.LOW: 1>, <Level.HIGH: 10>] green RED 3.71
# 'lost' is not a valid State
# '''
# ///
from enum import Enum, Flag, IntEnum, StrEnum, auto, unique


@unique
class State(Enum):
    NEW = "new"
    PAID = "paid"
    SENT = "sent"
    CANCELLED = "cancelled"

    @property
    def is_final(self):
        return self in {State.SENT, State.CANCELLED}

    def can_become(self, other):
        return other in _NEXT[self]

    @classmethod
    def parse(cls, text):
        return cls(text.strip().lower())


_NEXT = {
    State.NEW: {State.PAID, State.CANCELLED},
    State.PAID: {State.SENT, State.CANCELLED},
    State.SENT: set(),
    State.CANCELLED: set(),
}


class Permission(Flag):
    READ = auto()
    WRITE = auto()
    RUN = auto()
    ALL = READ | WRITE | RUN


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Colour(StrEnum):
    RED = auto()
    GREEN = auto()


class Planet(Enum):
    EARTH = (5.976e24, 6.37814e6)
    MARS = (6.421e23, 3.3972e6)

    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius

    @property
    def gravity(self):
        return round(6.67300e-11 * self.mass / self.radius**2, 2)


class IllegalStep(ValueError):
    def __init__(self, before, after):
        super().__init__(f"{before.name} -> {after.name}")
        self.before, self.after = before, after


class Order:
    def __init__(self):
        self.history = [State.NEW]

    @property
    def state(self):
        return self.history[-1]

    @state.setter
    def state(self, new):
        if not self.state.can_become(new):
            raise IllegalStep(self.state, new)
        self.history.append(new)


order = Order()
order.state = State.parse(" PAID ")
order.state = State.SENT
try:
    order.state = State.NEW
except IllegalStep as error:
    print(error, error.before.is_final)
print([s.value for s in order.history], State("new") is State.NEW, State["PAID"], list(State.__members__))
print(Permission.READ | Permission.RUN, Permission.WRITE in Permission.ALL, ~Permission.READ & Permission.ALL)
print(Level.HIGH > 5, sorted(Level), f"{Colour.GREEN} {Colour.RED.upper()}", Planet.MARS.gravity)
try:
    State("lost")
except ValueError as error:
    print(error)
