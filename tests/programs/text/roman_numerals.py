# /// program
# about = "Converts to and from Roman numerals, refusing malformed ones."
# value = "True"
# stdout = '''
# 4 IV
# 1066 MLXVI
# 1492 MCDXCII
# 1776 MDCCLXXVI
# 1999 MCMXCIX
# 2024 MMXXIV
# 3999 MMMCMXCIX
# not a Roman numeral: 'IIII'
# not a Roman numeral: 'VX'
# not a Roman numeral: ''
# not a Roman numeral: 'ABC'
# '''
# ///
import re

PAIRS = [
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
]
VALID = re.compile(r"^M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})$")


def to_roman(number):
    if not 0 < number < 4000:
        raise ValueError(f"{number} is out of range (1..3999)")
    out = []
    for value, letters in PAIRS:
        count, number = divmod(number, value)
        out.append(letters * count)
    return "".join(out)


def from_roman(text):
    if not text or not VALID.match(text):
        raise ValueError(f"not a Roman numeral: {text!r}")
    total, rest = 0, text
    for value, letters in PAIRS:
        while rest.startswith(letters):
            total += value
            rest = rest[len(letters):]
    return total


for year in (4, 1066, 1492, 1776, 1999, 2024, 3999):
    print(year, to_roman(year))
for bad in ("IIII", "VX", "", "ABC"):
    try:
        from_roman(bad)
    except ValueError as error:
        print(error)
all(from_roman(to_roman(n)) == n for n in range(1, 4000))
