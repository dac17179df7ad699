# /// program
# about = "Money with decimal: interest, rounding modes, contexts, signals, amortisation."
# value = "Decimal('0.1428571428571428571428571429')"
# stdout = '''
#  1  paid   85.61  interest  4.17  left   918.56
#  2  paid   85.61  interest  3.83  left   836.78
# 12  paid   85.59  interest  0.36  left     0.00
# False True False
# ['2.68', '2.68', '2.67', '2.68']
# 1.4142135623730950488016887242096980785696718753769
# inexact
# DivisionByZero
# InvalidOperation
# 1E+3 1234.56 -0 Infinity
# 28 DecimalTuple(sign=0, digits=(3, 1, 4), exponent=-2) 1,234,567.89
# '''
# ///
from decimal import (
    ROUND_CEILING, ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, DivisionByZero, Inexact,
    InvalidOperation, getcontext, localcontext,
)

CENT = Decimal("0.01")


def payment(principal, yearly_rate, months):
    rate = yearly_rate / 12
    return (principal * rate / (1 - (1 + rate) ** -months)).quantize(CENT, ROUND_HALF_UP)


balance, rate = Decimal("1000.00"), Decimal("0.05")
monthly = payment(balance, rate, 12)
for month in range(1, 13):
    interest = (balance * rate / 12).quantize(CENT, ROUND_HALF_UP)
    paid = min(monthly, balance + interest)
    balance += interest - paid
    if month in (1, 2, 12):
        print(f"{month:>2}  paid {paid:>7}  interest {interest:>5}  left {balance:>8}")
print(0.1 + 0.2 == 0.3, Decimal("0.1") + Decimal("0.2") == Decimal("0.3"), Decimal(0.1) == Decimal("0.1"))
print([str(Decimal("2.675").quantize(CENT, mode)) for mode in (ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_DOWN, ROUND_CEILING)])
with localcontext() as context:
    context.prec = 50
    print(Decimal(2).sqrt())
    context.traps[Inexact] = True
    try:
        Decimal(1) / 3
    except Inexact:
        print("inexact")
for bad in (lambda: Decimal(1) / 0, lambda: Decimal("abc")):
    try:
        bad()
    except (DivisionByZero, InvalidOperation) as error:
        print(type(error).__name__)
print(Decimal("1E+3").normalize(), Decimal("1234.5600").normalize(), Decimal("-0"), Decimal("Infinity"))
print(getcontext().prec, Decimal("3.14").as_tuple(), f"{Decimal('1234567.891'):,.2f}")
Decimal(1) / Decimal(7)
