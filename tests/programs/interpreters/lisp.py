# /// program
# about = "A small Lisp: reader, environments, closures, recursion, macros by hand."
# value = "[2432902008176640000, [11, 12, 13], 200010000, 1.5, 'unbound: undefined']"
# stdout = '''
# 2432902008176640000
# [11, 12, 13]
# 200010000
# 1.5
# unbound: undefined
# '''
# ///
import operator
import re


class Env(dict):
    def __init__(self, names=(), values=(), outer=None):
        super().__init__(zip(names, values))
        self.outer = outer

    def find(self, name):
        if name in self:
            return self
        if self.outer is None:
            raise NameError(f"unbound: {name}")
        return self.outer.find(name)


def read(tokens):
    token = tokens.pop(0)
    if token == "(":
        out = []
        while tokens[0] != ")":
            out.append(read(tokens))
        tokens.pop(0)
        return out
    if token == ")":
        raise SyntaxError("unexpected )")
    for kind in (int, float):
        try:
            return kind(token)
        except ValueError:
            pass
    return token


def evaluate(x, env):
    while True:
        if isinstance(x, str):
            return env.find(x)[x]
        if not isinstance(x, list):
            return x
        match x:
            case ["quote", value]:
                return value
            case ["if", test, yes, no]:
                x = yes if evaluate(test, env) else no
            case ["define", [name, *params], body]:
                env[name] = (params, body, env)
                return None
            case ["define", name, value]:
                env[name] = evaluate(value, env)
                return None
            case ["lambda", params, body]:
                return (params, body, env)
            case ["let", pairs, body]:
                env = Env([n for n, _ in pairs], [evaluate(v, env) for _, v in pairs], env)
                x = body
            case _:
                function, *values = [evaluate(part, env) for part in x]
                if callable(function):
                    return function(*values)
                params, x, outer = function
                env = Env(params, values, outer)


GLOBALS = Env("+ - * / < = list car cdr cons null?".split(), [
    lambda *a: sum(a), operator.sub, operator.mul, operator.truediv, operator.lt, operator.eq,
    lambda *a: list(a), lambda p: p[0], lambda p: p[1:], lambda a, p: [a, *p], lambda p: p == [],
])
PROGRAM = """
(define (fact n) (if (< n 2) 1 (* n (fact (- n 1)))))
(define (map f xs) (if (null? xs) (quote ()) (cons (f (car xs)) (map f (cdr xs)))))
(define (loop n acc) (if (= n 0) acc (loop (- n 1) (+ acc n))))
(define adder (lambda (n) (lambda (m) (+ n m))))
(fact 20)
(map (adder 10) (list 1 2 3))
(loop 20000 0)
(let ((a 3) (b 4)) (/ (* a b) 8))
(undefined 1)
"""
tokens = re.findall(r"[()]|[^\s()]+", PROGRAM)
results = []
while tokens:
    try:
        value = evaluate(read(tokens), GLOBALS)
    except NameError as error:
        value = str(error)
    if value is not None:
        print(value)
        results.append(value)
results
