"""Text: methods, slices, formats, single characters, encodings, bytes."""

import string
import struct
import textwrap

LINES = """It was a bright morning and the ferry had not yet come across the water.
A boy with two paper bags (one of them torn) counted the gulls: nine, ten, eleven!
"There's time," said his sister; but she looked at the clock, and then again.""".splitlines()


def caesar(text, shift):
    result = []
    for char in text:
        if char.islower():
            result.append(chr((ord(char) - 97 + shift) % 26 + 97))
        elif char.isupper():
            result.append(chr((ord(char) - 65 + shift) % 26 + 65))
        else:
            result.append(char)
    return "".join(result)


def palindrome(text):
    kept = [char for char in text.lower() if char.isalnum()]
    return kept == kept[::-1]


def run_lengths(text):
    out, previous, count = "", None, 0
    for char in text:
        if char == previous:
            count += 1
        else:
            if previous is not None:
                out += previous + (str(count) if count > 1 else "")
            previous, count = char, 1
    return out + (previous or "") + str(count)


def title(name):
    return " ".join(part.capitalize() for part in name.split("_") if part)


total = 0
for turn in range(25):
    for line in LINES:
        total += len(caesar(line, turn)) + line.count("e") + line.find("the") + palindrome(line)
        words = line.lower().translate(str.maketrans("", "", string.punctuation)).split()
        total += sum(len(word) for word in words if word.startswith(("t", "a")) or word.endswith("e"))
        total += len(run_lengths(line.replace("e", "eee"))) + len(title("_".join(words)))
for n in range(1500):
    name = f"item-{n:04d}"
    row = f"{name!r:>14}|{n / 7:8.3f}|{n:x}|{n % 2 == 0}" + "%5d %-8s %.2e" % (n, name[-3:], n * 1.5)
    total += len(row) + len("{0}:{1:>6}:{key}".format(n, n * 2, key=name[::2])) + row.index("|")
    head, sep, tail = name.partition("-")
    total += int(tail) + (sep in row) + len(head.upper().center(20, "*").strip("*"))
for n in range(400):
    data = struct.pack("<IHd", n, n & 0xFF, n / 3) + f"é{n}ß".encode()
    number, small, real = struct.unpack_from("<IHd", data)
    total += number + small + int(real) + len(data[14:].decode()) + data.count(b"\x00")
buffer = bytearray(range(256)) * 8
for position in range(0, len(buffer), 3):
    buffer[position] ^= 0x5A
total += sum(buffer) + sum(memoryview(buffer)[5:500:5]) + len(buffer.hex())
total += len(textwrap.fill(" ".join(LINES), 40)) + len("\n".join(sorted(LINES, key=str.casefold)).splitlines())
letters = "".join(chr(97 + n * 11 % 26) for n in range(3000))
total += len({letters[i : i + 3] for i in range(len(letters) - 2)}) + letters.rfind("abc") + ("xyz" in letters)
assert total == 1714310, total
