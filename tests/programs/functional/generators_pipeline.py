# /// program
# about = "Generator pipelines: send, throw, close, yield from, lazy reading of a file."
# value = "[0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]"
# stdout = '''
# file closed: numbers.txt
# [3, 10, 7] ['x']
# [10.0, 15.0, 30.0] None 5.0
# returned 1 values
# ['2 values', '1 values']
# 3
# file closed: numbers.txt
# '''
# [files]
# "numbers.txt" = '''
# 3
# # comment
# 10
#
# x
# 7
# '''
# ///
def lines(path):
    with open(path) as file:
        try:
            for line in file:
                yield line.strip()
        finally:
            print("file closed:", path)


def numbers(source, problems):
    for text in source:
        if not text or text.startswith("#"):
            continue
        try:
            yield int(text)
        except ValueError:
            problems.append(text)


def averager():
    total, count, average = 0, 0, None
    while True:
        try:
            value = yield average
        except ZeroDivisionError:
            total, count, average = 0, 0, None
            continue
        if value is None:
            return f"{count} values"
        total, count = total + value, count + 1
        average = total / count


def collect(results):
    while True:
        results.append((yield from averager()))


problems = []
print(list(numbers(lines("numbers.txt"), problems)), problems)
gen = averager()
next(gen)
print([gen.send(n) for n in (10, 20, 60)], gen.throw(ZeroDivisionError), gen.send(5))
try:
    gen.send(None)
except StopIteration as stop:
    print("returned", stop.value)
results = []
collector = collect(results)
next(collector)
for value in (1, 2, None, 5, None):
    collector.send(value)
print(results)
partial = lines("numbers.txt")
print(next(partial))
partial.close()


def fibonacci():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b


[n for n, _ in zip(fibonacci(), range(12))]
