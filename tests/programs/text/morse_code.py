# /// program
# about = "Translates standard input to Morse code and back again."
# stdin = '''
# SOS we are sinking
# call 112
# '''
# value = "2"
# stdout = '''
# ... --- ... / .-- . / .- .-. . / ... .. -. -.- .. -. --.
# -.-. .- .-.. .-.. / .---- .---- ..---
# '''
# ///
import sys

MORSE = dict(zip(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- "
    "-..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.".split(),
))
LETTERS = {code: letter for letter, code in MORSE.items()}


def encode(text):
    return " / ".join(" ".join(MORSE[c] for c in word) for word in text.upper().split())


def decode(code):
    return " ".join("".join(LETTERS[c] for c in word.split()) for word in code.split(" / "))


lines = [line.rstrip("\n") for line in sys.stdin]
for line in lines:
    code = encode(line)
    print(code)
    assert decode(code) == line.upper()
len(lines)
