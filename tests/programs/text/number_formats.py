# /// program
# about = "Formats numbers without a locale: separators, bases, money, percent, sizes."
# value = "'      3.1429'"
# stdout = "1,234,567.89|1_234_567|12.3%|0xff|0b11111111|-7|+   7\n3|1e+21|1.235e+04|inf|   nan\nleft    |   right|  mid   |***fill***|cut\n['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '9.5 MiB', '9.3 GiB']\n1 234 567,90 € -0,12 € 2,68 €\n003.1|ab    |+5|ff|%|'q'\n2 4 -2 2.67 1200\n"
# ///
from decimal import ROUND_HALF_EVEN, Decimal


def human_size(count):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count} B"
        count /= 1024
    return f"{count:.1f} TiB"


def money(amount, sign="€"):
    cents = Decimal(str(amount)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
    text = f"{abs(cents):,.2f}".replace(",", "\u00a0").replace(".", ",")
    return f"{'-' if cents < 0 else ''}{text} {sign}"


print(f"{1234567.891:,.2f}|{1234567:_}|{0.1234:.1%}|{255:#x}|{255:#010b}|{-7:+d}|{7:=+5d}")
print(f"{3.0:g}|{1e21:g}|{12345.678:.3e}|{float('inf'):f}|{float('nan'):>6}")
print(f"{'left':<8}|{'right':>8}|{'mid':^8}|{'fill':*^10}|{'cut off':.3}")
print([human_size(n) for n in (0, 1023, 1024, 1536, 10**7, 10**10)])
print(money(1234567.895), money(-0.125), money(2.675))
print("%05.1f|%-6s|%+d|%x|%%|%r" % (3.14159, "ab", 5, 255, "q"))
print(round(2.5), round(3.5), round(-2.5), round(2.675, 2), round(1234, -2))
width, precision = 12, 4
f"{22 / 7:{width}.{precision}f}"
