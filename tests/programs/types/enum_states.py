# /// program
# about = "Enums: auto, flags, aliases, methods, a state machine, lookups."
# value = "['go', 10, 'red', {'level': 1}]"
# stdout = '''
# ['RED', 'GREEN', 'AMBER'] True Light.GREEN
# Light.RED stop
# Permission.READ|WRITE False Permission.WRITE 7
# True [<Level.LOW: 1>, <Level.HIGH: 10>]   1 dark_blue!
# 'fly' is not a valid Light
# duplicate values found in <enum 'Twice'>: B -> A
# '''
# ///
from enum import Enum, Flag, IntEnum, StrEnum, auto, unique


class Light(Enum):
    RED = "stop"
    GREEN = "go"
    AMBER = "wait"
    YELLOW = "wait"

    def next(self):
        order = [Light.RED, Light.GREEN, Light.AMBER]
        return order[(order.index(self) + 1) % len(order)]


class Permission(Flag):
    READ = auto()
    WRITE = auto()
    EXECUTE = auto()
    ALL = READ | WRITE | EXECUTE


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Colour(StrEnum):
    RED = auto()
    DARK_BLUE = auto()


print([light.name for light in Light], Light.YELLOW is Light.AMBER, Light("go"))
print(Light.RED.next().next().next(), Light["RED"].value)
rights = Permission.READ | Permission.WRITE
print(rights, Permission.EXECUTE in rights, rights & ~Permission.READ, Permission.ALL.value)
print(Level.HIGH > 5, sorted([Level.HIGH, Level.LOW]), f"{Level.LOW:>3}", Colour.DARK_BLUE + "!")
try:
    Light("fly")
except ValueError as error:
    print(error)
try:
    @unique
    class Twice(Enum):
        A = 1
        B = 1
except ValueError as error:
    print(error)
[Light.GREEN, Level.HIGH, Colour.RED, {"level": Level.LOW}]
