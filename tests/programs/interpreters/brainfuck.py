# /// program
# about = "A Brainfuck interpreter with a jump table, reading its input from stdin."
# stdin = "dspex"
# value = "906"
# stdout = '''
# Hello World!
# xepsd
# unmatched [ at 0
# unmatched ] at 0
# '''
# ///
import sys

HELLO = "++++++++[>++++[>++>+++>+++>+<<<<-]>+>+>->>+[<]<-]>>.>---.+++++++..+++.>>.<-.<.+++.------.--------.>>+.>++."
REVERSE = ">,[>,]<[.<]"


def jumps(code):
    stack, table = [], {}
    for at, sign in enumerate(code):
        if sign == "[":
            stack.append(at)
        elif sign == "]":
            if not stack:
                raise SyntaxError(f"unmatched ] at {at}")
            start = stack.pop()
            table[start], table[at] = at, start
    if stack:
        raise SyntaxError(f"unmatched [ at {stack[-1]}")
    return table


def run(code, source=None):
    table, tape, at, pointer, out, steps = jumps(code), [0] * 1000, 0, 0, [], 0
    while at < len(code):
        match code[at]:
            case ">":
                pointer += 1
            case "<":
                pointer -= 1
            case "+":
                tape[pointer] = (tape[pointer] + 1) % 256
            case "-":
                tape[pointer] = (tape[pointer] - 1) % 256
            case ".":
                out.append(chr(tape[pointer]))
            case ",":
                tape[pointer] = ord(source.read(1) or "\0")
            case "[" if not tape[pointer]:
                at = table[at]
            case "]" if tape[pointer]:
                at = table[at]
        at += 1
        steps += 1
    return "".join(out), steps


print(run(HELLO)[0], end="")
print(run(REVERSE, sys.stdin)[0])
for broken in ("[[]", "]"):
    try:
        run(broken)
    except SyntaxError as error:
        print(error)
run(HELLO)[1]
