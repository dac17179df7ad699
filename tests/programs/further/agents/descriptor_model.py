# /// program
# about = "Validated fields with descriptors, __init_subclass__, __set_name__, cached properties."
# stdout = '''
# computing
# Person(name='Ada Lovelace', age=36) AL AL Ada Lovelace human ['people', 'employee']
# TypeError age: 'x' is no int
# ValueError age: -1 is refused
# AttributeError Person has no field height
# AttributeError nothing
# 0 Employee(name='Bob', age=0, salary=2.5) True True ['name', 'age', 'salary']
# '''
# ///
from functools import cached_property
from typing import Any, ClassVar
from weakref import WeakKeyDictionary


class Typed:
    def __init__(self, kind, default=None, check=None):
        self.kind, self.default, self.check = kind, default, check
        self._values = WeakKeyDictionary()

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        return self if instance is None else self._values.get(instance, self.default)

    def __set__(self, instance, value):
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.name}: {value!r} is no {self.kind.__name__}")
        if self.check is not None and not self.check(value):
            raise ValueError(f"{self.name}: {value!r} is refused")
        self._values[instance] = value

    def __delete__(self, instance):
        self._values.pop(instance, None)


class Model:
    registry: ClassVar[dict[str, type]] = {}
    fields: ClassVar[dict[str, Typed]] = {}

    def __init_subclass__(cls, table: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.table = table or cls.__name__.lower()
        cls.fields = {**cls.fields, **{k: v for k, v in vars(cls).items() if isinstance(v, Typed)}}
        Model.registry[cls.table] = cls

    def __init__(self, **values):
        for name, value in values.items():
            if name not in self.fields:
                raise AttributeError(f"{type(self).__name__} has no field {name}")
            setattr(self, name, value)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self.fields)})"

    def __getattr__(self, name):
        if name.startswith("get_"):
            return lambda: getattr(self, name[4:])
        raise AttributeError(name)


class Person(Model, table="people"):
    name = Typed(str)
    age = Typed(int, 0, check=lambda n: n >= 0)

    @cached_property
    def initials(self):
        print("computing")
        return "".join(word[0] for word in self.name.split())

    @staticmethod
    def species():
        return "human"

    @classmethod
    def parse(cls, text):
        name, age = text.rsplit(",", 1)
        return cls(name=name, age=int(age))


class Employee(Person):
    salary = Typed((int, float), 0)


ada = Person.parse("Ada Lovelace,36")
print(ada, ada.initials, ada.initials, ada.get_name(), Person.species(), list(Model.registry))
for attempt in (lambda: Person(age="x"), lambda: setattr(ada, "age", -1), lambda: Person(height=1), lambda: ada.nothing):
    try:
        attempt()
    except (TypeError, ValueError, AttributeError) as error:
        print(type(error).__name__, error)
del ada.age
print(ada.age, Employee(name="Bob", salary=2.5), isinstance(Person.name, Typed), hasattr(ada, "get_age"), list(Employee.fields))
