# /// program
# about = "Wraps, indents and aligns text; a table of contents; string methods and textwrap."
# value = "('strasse', 'A B C', ('x=1', ';', 'y=2'))"
# stdout = "* Restricted programs should still be\n  programs. They wrap text, they build\n  tables, and they print them so that\n  a person can read the result.\nRestricted programs should still be ...\n> a\n> b\n> \nc\n    item     | price\n--------------+-------\ntea          |   2.5\ncoffee beans |    14\nx            | n/a\n     right|  mid  |l    |+1.23e+04\nv {'k': 'v'} 1,234,567 003.1|ab    |ff\nAnn owes $5\n"
# ///
import textwrap
from string import Template

TEXT = """
    Restricted programs should still be programs. They wrap text, they build
    tables, and they print them so that a person can read the result.
"""
clean = " ".join(textwrap.dedent(TEXT).split())
for line in textwrap.wrap(clean, width=38, initial_indent="* ", subsequent_indent="  "):
    print(line)
print(textwrap.shorten(clean, 40, placeholder=" ..."))
print(textwrap.indent("a\nb\n\nc", "> ", lambda line: line.strip() != "c"))


class Table:
    def __init__(self, *headers):
        self.headers, self.rows = headers, []

    def add(self, *row):
        self.rows.append([str(cell) for cell in row])
        return self

    @property
    def widths(self):
        return [max(map(len, column)) for column in zip(self.headers, *self.rows)]

    def __str__(self):
        widths = self.widths
        rule = "+".join("-" * (w + 2) for w in widths)
        lines = [" | ".join(f"{h:^{w}}" for h, w in zip(self.headers, widths)), rule]
        for row in self.rows:
            lines.append(" | ".join(c.rjust(w) if c.replace(".", "").isdigit() else c.ljust(w) for c, w in zip(row, widths)))
        return "\n".join(line.rstrip() for line in lines)


print(Table("item", "price").add("tea", 2.5).add("coffee beans", 14).add("x", "n/a"))
print("{:>10}|{:^7}|{:<5}|{:+.2e}".format("right", "mid", "l", 12345.678))
print("{0[k]} {0!r:.10} {n:,}".format({"k": "v"}, n=1234567), "%05.1f|%-6s|%x" % (3.14159, "ab", 255))
print(Template("$who owes $$${amount}").substitute(who="Ann", amount=5))
"Straße".casefold(), "a-b_c".translate(str.maketrans("-_", "  ")).title(), "x=1;y=2".partition(";")
