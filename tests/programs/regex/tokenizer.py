# /// program
# about = "A tokenizer made of one verbose regular expression with named groups."
# value = "('NAME', 'x', 1, 0)"
# stdout = '''
# Token(kind='NAME', text='tax', line=1, column=0)
# Token(kind='ASSIGN', text=':=', line=1, column=4)
# Token(kind='NAME', text='price', line=1, column=7)
# Token(kind='OP', text='*', line=1, column=13)
# Token(kind='NUMBER', text='0.2', line=1, column=15)
# Token(kind='END', text=';', line=1, column=18)
# Token(kind='NAME', text='total', line=2, column=0)
# Token(kind='ASSIGN', text=':=', line=2, column=6)
# Token(kind='NAME', text='price', line=2, column=9)
# Token(kind='OP', text='+', line=2, column=15)
# Token(kind='NAME', text='tax', line=2, column=17)
# Token(kind='END', text=';', line=2, column=20)
# '$' unexpected on line 1
# '''
# ///
import re
from typing import NamedTuple

TOKENS = re.compile(
    r"""
      (?P<NUMBER>\d+(?:\.\d*)?)
    | (?P<NAME>[A-Za-z_]\w*)
    | (?P<ASSIGN>:=)
    | (?P<OP>[-+*/()])
    | (?P<END>;)
    | (?P<NEWLINE>\n)
    | (?P<SKIP>[ \t]+)
    | (?P<MISMATCH>.)
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    kind: str
    text: str
    line: int
    column: int


def tokenize(code):
    line, start = 1, 0
    for match in TOKENS.finditer(code):
        kind = match.lastgroup
        if kind == "NEWLINE":
            line, start = line + 1, match.end()
        elif kind == "MISMATCH":
            raise SyntaxError(f"{match[0]!r} unexpected on line {line}")
        elif kind != "SKIP":
            yield Token(kind, match[0], line, match.start() - start)


for token in tokenize("tax := price * 0.2;\ntotal := price + tax;"):
    print(token)
try:
    list(tokenize("a := 3 $ 4;"))
except SyntaxError as error:
    print(error)
next(tokenize("x"))
