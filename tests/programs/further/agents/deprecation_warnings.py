# /// program
# about = "A library function that warns, callers that catch, filter and turn warnings into errors."
# value = "1"
# stdout = '''
# 3
# [('DeprecationWarning', 'plus is deprecated, use add', True), ('Experimental', 'careful', True)]
# error: plus is deprecated, use add
# '''
# ///
import functools
import warnings


def deprecated(instead):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            warnings.warn(f"{function.__name__} is deprecated, use {instead}", DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)
        return wrapper
    return decorate


@deprecated("add")
def plus(a, b):
    return a + b


class Experimental(UserWarning):
    pass


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(plus(1, 2))
    warnings.warn("careful", Experimental)
print([(w.category.__name__, str(w.message), w.lineno > 0) for w in caught])
with warnings.catch_warnings():
    warnings.filterwarnings("error", message=".*deprecated")
    warnings.filterwarnings("ignore", category=Experimental)
    warnings.warn("quiet", Experimental)
    try:
        plus(1, 2)
    except DeprecationWarning as error:
        print("error:", error)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    for _ in range(3):
        warnings.warn("once per place")
len(caught)
