# /// program
# about = "A tiny model layer: descriptors validate, __init_subclass__ and a metaclass register."
# value = "(True, 'ModelMeta', {'name': 'Ann', 'age': 30})"
# stdout = '''
# Ann 30 people pets ['Person', 'Pet'] True
# TypeError: age must be int, not str
# ValueError: age must be at least 0
# TypeError: Pet has no wings
# '''
# ///
class Field:
    def __init__(self, kind, *, minimum=None):
        self.kind, self.minimum = kind, minimum

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        return instance.__dict__.get(self.name)

    def __set__(self, instance, value):
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.name} must be {self.kind.__name__}, not {type(value).__name__}")
        if self.minimum is not None and value < self.minimum:
            raise ValueError(f"{self.name} must be at least {self.minimum}")
        instance.__dict__[self.name] = value


class ModelMeta(type):
    registry = {}

    def __new__(mcs, name, bases, namespace, **options):
        cls = super().__new__(mcs, name, bases, namespace)
        cls.fields = {k: v for k, v in namespace.items() if isinstance(v, Field)}
        cls.table = options.get("table", name.lower() + "s")
        if bases:
            mcs.registry[name] = cls
        return cls

    def __init__(cls, name, bases, namespace, **options):
        super().__init__(name, bases, namespace)

    def __call__(cls, **values):
        unknown = set(values) - set(cls.fields)
        if unknown:
            raise TypeError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
        return super().__call__(**values)


class Model(metaclass=ModelMeta):
    def __init__(self, **values):
        for name, value in values.items():
            setattr(self, name, value)

    def __init_subclass__(cls, **options):
        cls.created = True


class Person(Model, table="people"):
    name = Field(str)
    age = Field(int, minimum=0)


class Pet(Model):
    name = Field(str)


ann = Person(name="Ann", age=30)
print(ann.name, ann.age, Person.table, Pet.table, list(ModelMeta.registry), Person.created)
for attempt in (lambda: Person(age="x"), lambda: setattr(ann, "age", -1), lambda: Pet(wings=2)):
    try:
        attempt()
    except (TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {error}")
isinstance(Person.name, Field), type(Person).__name__, ann.__dict__
