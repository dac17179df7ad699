# /// program
# about = "Functions with doctests, found and run by doctest."
# value = "(1, 5)"
# stdout = '''
# fizzbuzz 0 2
# wrong 1 1
# show 0 2
# True
# '''
# ///
import doctest


def fizzbuzz(n):
    """Return the word for a number.

    >>> [fizzbuzz(n) for n in (1, 3, 5, 15)]
    ['1', 'Fizz', 'Buzz', 'FizzBuzz']
    >>> fizzbuzz(0)
    Traceback (most recent call last):
        ...
    ValueError: n must be positive
    """
    if n < 1:
        raise ValueError("n must be positive")
    return "Fizz" * (n % 3 == 0) + "Buzz" * (n % 5 == 0) or str(n)


def wrong():
    """
    >>> 1 + 1
    3
    """


def show():
    """
    >>> print(list(range(30)))  # doctest: +ELLIPSIS
    [0, 1, ..., 28, 29]
    >>> {1: "a"}
    {1: 'a'}
    """


finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=False)
report = []
for function in (fizzbuzz, wrong, show):
    for test in finder.find(function, function.__name__, globs=globals()):
        result = runner.run(test, out=report.append)
        print(function.__name__, result.failed, result.attempted)
print("Expected:" in "".join(report))
runner.failures, runner.tries
