# /// program
# about = "Dataclasses: defaults, ordering, frozen, post-init, slots, replace, field metadata."
# value = "{'row': 9, 'shelf': 'Z'}"
# stdout = '''
# ['saw', 'glue', 'bolt'] bolt
# Item(name='saw', price=15, quantity=2, tags=['tool'])
# {'sort_index': 30, 'name': 'saw', 'price': 15, 'quantity': 2, 'tags': ['tool']} (3, 'A')
# 100.0 ['tags']
# frozen: cannot assign to field 'row'
# negative price: -1
# here True
# matched saw tool
# '''
# ///
from dataclasses import FrozenInstanceError, asdict, astuple, dataclass, field, fields, replace
from typing import ClassVar


@dataclass(order=True)
class Item:
    sort_index: float = field(init=False, repr=False)
    name: str
    price: float
    quantity: int = 0
    tags: list[str] = field(default_factory=list, compare=False, metadata={"shown": False})
    currency: ClassVar[str] = "EUR"

    def __post_init__(self):
        if self.price < 0:
            raise ValueError(f"negative price: {self.price}")
        self.sort_index = self.price * self.quantity

    @property
    def total(self):
        return self.price * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    row: int
    shelf: str = "A"


items = [Item("bolt", 0.1, 500), Item("saw", 15, 2, ["tool"]), Item("glue", 4.5, 10)]
print([i.name for i in sorted(items)], max(items).name)
print(items[1])
print(asdict(items[1]), astuple(Place(row=3)))
print(replace(items[0], price=0.2).total, [f.name for f in fields(Item) if f.metadata])
try:
    Place(row=1).row = 2
except FrozenInstanceError as error:
    print("frozen:", error)
try:
    Item("bad", -1)
except ValueError as error:
    print(error)
print({Place(row=1): "here"}[Place(row=1)], Item("a", 1) == Item("a", 1, tags=["x"]))
match items[1]:
    case Item(name=name, tags=[tag]):
        print("matched", name, tag)
Place(row=9, shelf="Z")
