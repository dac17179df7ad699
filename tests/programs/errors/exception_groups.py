# /// program
# about = "ExceptionGroup: except*, split, subgroup, derived, nested groups."
# value = "'two (2 sub-exceptions)'"
# stdout = '''
# values: ['name is empty', 'age is negative']
# types: ['age must be a number']
# import failed 1 ['record 2']
# (ValueError('age is negative'),)
# second argument (exceptions) must be a non-empty sequence
# '''
# ///
def check(record):
    problems = []
    if not record.get("name"):
        problems.append(ValueError("name is empty"))
    if not isinstance(record.get("age"), int):
        problems.append(TypeError("age must be a number"))
    elif record["age"] < 0:
        problems.append(ValueError("age is negative"))
    if problems:
        raise ExceptionGroup(f"record {record.get('id')}", problems)


def check_all(records):
    problems = []
    for record in records:
        try:
            check(record)
        except ExceptionGroup as group:
            problems.append(group)
    if problems:
        raise ExceptionGroup("import failed", problems)


def leaves(group):
    for error in group.exceptions:
        yield from leaves(error) if isinstance(error, ExceptionGroup) else [error]


records = [{"id": 1, "name": "a", "age": 3}, {"id": 2, "age": -1}, {"id": 3, "name": "b", "age": "x"}]
try:
    check_all(records)
except* ValueError as group:
    print("values:", [str(e) for e in leaves(group)])
except* TypeError as group:
    print("types:", [str(e) for e in leaves(group)])

try:
    check_all(records)
except ExceptionGroup as group:
    matching, rest = group.split(TypeError)
    print(matching.message, len(matching.exceptions), [e.message for e in rest.exceptions])
    print(group.subgroup(lambda e: "negative" in str(e)).exceptions[0].exceptions)
try:
    ExceptionGroup("empty", [])
except ValueError as error:
    print(error)
str(ExceptionGroup("two", [OSError(1), OSError(2)]))
