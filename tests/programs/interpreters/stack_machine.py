# /// program
# about = "Compiles Python expressions with ast to a small stack machine and runs them."
# value = "'a = 1\\nb = (a + 2) * 3'"
# stdout = '''
# 2 + 3 * x -> [11, 23, 38] True
# (x - 1) ** 2 % 7 -> [4, 1, 2] True
# 'big' if x >= 10 else 'small' if x < 5 else 'middle' -> ['small', 'middle', 'big'] True
# List at column 0
# '''
# ///
import ast
import operator

BINARY = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod, ast.Pow: operator.pow}
COMPARE = {ast.Lt: operator.lt, ast.GtE: operator.ge, ast.Eq: operator.eq}


class Compiler(ast.NodeVisitor):
    def __init__(self):
        self.code = []

    def visit_Constant(self, node):
        self.code.append(("push", node.value))

    def visit_Name(self, node):
        self.code.append(("load", node.id))

    def visit_BinOp(self, node):
        self.visit(node.left)
        self.visit(node.right)
        self.code.append(("binary", BINARY[type(node.op)]))

    def visit_Compare(self, node):
        self.visit(node.left)
        self.visit(node.comparators[0])
        self.code.append(("binary", COMPARE[type(node.ops[0])]))

    def visit_IfExp(self, node):
        self.visit(node.test)
        hole = len(self.code)
        self.code.append(None)
        self.visit(node.body)
        end = len(self.code)
        self.code.append(None)
        self.code[hole] = ("jump_if_not", len(self.code))
        self.visit(node.orelse)
        self.code[end] = ("jump", len(self.code))

    def generic_visit(self, node):
        if not isinstance(node, ast.Expression):
            raise NotImplementedError(f"{type(node).__name__} at column {getattr(node, 'col_offset', '?')}")
        super().generic_visit(node)


def execute(code, names):
    stack, at = [], 0
    while at < len(code):
        name, argument = code[at]
        at += 1
        if name == "push":
            stack.append(argument)
        elif name == "load":
            stack.append(names[argument])
        elif name == "binary":
            right, left = stack.pop(), stack.pop()
            stack.append(argument(left, right))
        elif name == "jump" or (name == "jump_if_not" and not stack.pop()):
            at = argument
    return stack.pop()


for text in ("2 + 3 * x", "(x - 1) ** 2 % 7", "'big' if x >= 10 else 'small' if x < 5 else 'middle'"):
    compiler = Compiler()
    compiler.visit(ast.parse(text, mode="eval"))
    values = [execute(compiler.code, {"x": x}) for x in (3, 7, 12)]
    print(text, "->", values, values == [eval(text, {"x": x}) for x in (3, 7, 12)])
try:
    Compiler().visit(ast.parse("[1, 2]", mode="eval"))
except NotImplementedError as error:
    print(error)
ast.unparse(ast.parse("a=1 ;b  = (a+2)*3"))
