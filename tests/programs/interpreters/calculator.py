# /// program
# about = "A recursive-descent calculator with variables, functions, precedence and errors."
# stdout = '''
# 1 + 2 * 3         = 7
# -2 ** 2           = -4
# 2 ** 3 ** 2       = 512
# (1 + 2) * 3 / 4   = 2.25
# x = max(3, 7) * 2 = 14
# sqrt(x + 2)       = 4.0
# 1 / 0             ! division by zero
# 2 +               ! cannot read 'end'
# (1                ! missing )
# 3 $ 4             ! unexpected '$'
# y                 ! cannot read 'y'
# '''
# ///
import math
import re


class CalcError(Exception):
    pass


class Calculator:
    def __init__(self):
        self.names = {"pi": math.pi}
        self.functions = {"sqrt": math.sqrt, "max": max, "abs": abs}

    def run(self, text):
        self.tokens = re.findall(r"\d+\.?\d*|\w+|\*\*|\S", text) + ["end"]
        self.at = 0
        if len(self.tokens) > 2 and self.tokens[1] == "=":
            name, self.at = self.tokens[0], 2
            self.names[name] = self.expression()
            result = self.names[name]
        else:
            result = self.expression()
        if self.peek() != "end":
            raise CalcError(f"unexpected {self.peek()!r}")
        return result

    def peek(self):
        return self.tokens[self.at]

    def take(self, *wanted):
        if self.peek() in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def expression(self):
        value = self.term()
        while sign := self.take("+", "-"):
            value = value + self.term() if sign == "+" else value - self.term()
        return value

    def term(self):
        value = self.factor()
        while sign := self.take("*", "/"):
            other = self.factor()
            if sign == "/" and other == 0:
                raise CalcError("division by zero")
            value = value * other if sign == "*" else value / other
        return value

    def factor(self):
        if self.take("-"):
            return -self.factor()
        base = self.atom()
        return base ** self.factor() if self.take("**") else base

    def atom(self):
        token = self.peek()
        self.at += 1
        if token == "(":
            value = self.expression()
            if not self.take(")"):
                raise CalcError("missing )")
            return value
        if re.fullmatch(r"\d+\.?\d*", token):
            return float(token) if "." in token else int(token)
        if token in self.functions and self.take("("):
            arguments = [self.expression()]
            while self.take(","):
                arguments.append(self.expression())
            self.take(")")
            return self.functions[token](*arguments)
        if token in self.names:
            return self.names[token]
        raise CalcError(f"cannot read {token!r}")


calc = Calculator()
for line in ("1 + 2 * 3", "-2 ** 2", "2 ** 3 ** 2", "(1 + 2) * 3 / 4", "x = max(3, 7) * 2", "sqrt(x + 2)",
             "1 / 0", "2 +", "(1", "3 $ 4", "y"):
    try:
        print(f"{line:<18}= {calc.run(line)}")
    except CalcError as error:
        print(f"{line:<18}! {error}")
