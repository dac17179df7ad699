# /// program
# about = "Exceptions of one's own: chaining, notes, else and finally, re-raising, tracebacks."
# stdout = '''
# InsufficientFunds 25 needed, 10 available 15
# BankError('no account') KeyError('key') ['while opening the shop']
# 1 while opening the shop
# context: ZeroDivisionError('division by zero') False
# ['try', 'except', 'finally'] ['try', 'else', 'finally']
# arithmetic still works
# RecursionError maximum recursion depth exceeded
# None ('twice',)
# '''
# ///
import traceback


class BankError(Exception):
    """Base class."""


class InsufficientFunds(BankError):
    def __init__(self, needed, available):
        super().__init__(f"{needed} needed, {available} available")
        self.shortfall = needed - available


def withdraw(balance, amount):
    if amount > balance:
        raise InsufficientFunds(amount, balance)
    return balance - amount


def order(log, fail):
    try:
        log.append("try")
        if fail:
            raise ValueError("x")
    except ValueError:
        log.append("except")
        return log
    else:
        log.append("else")
    finally:
        log.append("finally")
    return log


try:
    withdraw(10, 25)
except BankError as error:
    print(type(error).__name__, error, error.shortfall)
try:
    try:
        {}["key"]
    except KeyError as error:
        raise BankError("no account") from error
except BankError as error:
    error.add_note("while opening the shop")
    print(repr(error), repr(error.__cause__), error.__notes__)
    lines = traceback.format_exception(error)
    print(sum("direct cause" in line for line in lines), lines[-1].strip())
try:
    try:
        1 / 0
    except ZeroDivisionError:
        int("x")
except ValueError as error:
    print("context:", repr(error.__context__), error.__suppress_context__)
print(order([], True), order([], False))
try:
    assert 1 > 2, "arithmetic still works"
except AssertionError as error:
    print(error)


def deep(n):
    return deep(n + 1)


try:
    deep(0)
except RecursionError as error:
    print(type(error).__name__, str(error)[:32])
try:
    raise TypeError("twice") from None
except (TypeError, OSError) as error:
    print(error.__cause__, error.args)
