# /// program
# about = "A JSON parser written from scratch and compared with the json module."
# value = "{'a': [1, -2500.0, {'b': None}], 'c': 'x\\né\"y'}"
# stdout = '''
# [True, True, True, True, True]
# {"a" 1}  expected ':' at 5
# [1 2]    expected ',' at 3
# "open    open string at 5
# [1,]     not a value at 3
# {} x     trailing text at 3
# '''
# ///
import json


class Parser:
    def __init__(self, text):
        self.text, self.at = text, 0

    def fail(self, message):
        raise ValueError(f"{message} at {self.at}")

    def space(self):
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def take(self, literal):
        if not self.text.startswith(literal, self.at):
            self.fail(f"expected {literal!r}")
        self.at += len(literal)

    def parse(self):
        value = self.value()
        self.space()
        if self.at != len(self.text):
            self.fail("trailing text")
        return value

    def value(self):
        self.space()
        sign = self.text[self.at : self.at + 1]
        for literal, value in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(literal, self.at):
                self.at += len(literal)
                return value
        if sign == '"':
            return self.string()
        if sign == "[":
            return self.series("[", "]", self.value, list)
        if sign == "{":
            return self.series("{", "}", self.pair, dict)
        return self.number()

    def series(self, start, end, item, build):
        self.take(start)
        items = []
        self.space()
        while not self.text.startswith(end, self.at):
            if items:
                self.take(",")
            items.append(item())
            self.space()
        self.take(end)
        return build(items)

    def pair(self):
        self.space()
        key = self.string()
        self.space()
        self.take(":")
        return key, self.value()

    def string(self):
        self.take('"')
        out = []
        while (c := self.text[self.at : self.at + 1]) != '"':
            if not c:
                self.fail("open string")
            self.at += 1
            if c == "\\":
                c = self.text[self.at]
                self.at += 1
                if c == "u":
                    c = chr(int(self.text[self.at : self.at + 4], 16))
                    self.at += 4
                else:
                    c = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(c, c)
            out.append(c)
        self.at += 1
        return "".join(out)

    def number(self):
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "+-.eE0123456789":
            self.at += 1
        token = self.text[start : self.at]
        try:
            return int(token) if token.lstrip("-").isdigit() else float(token)
        except ValueError:
            self.fail("not a value")


samples = ['{"a": [1, -2.5e3, {"b": null}], "c": "x\\n\\u00e9\\"y"}', "[]", '[[[]], {}, true, false]', " 12 ", '""']
print([Parser(s).parse() == json.loads(s) for s in samples])
for broken in ('{"a" 1}', "[1 2]", '"open', "[1,]", "{} x"):
    try:
        print(Parser(broken).parse())
    except ValueError as error:
        print(f"{broken:<8} {error}")
Parser(samples[0]).parse()
