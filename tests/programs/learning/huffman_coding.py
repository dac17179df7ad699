# /// program
# about = "Huffman coding and LZ77-like compression of a text, with exact round trips."
# value = "'01'"
# stdout = '''
# 296 -> 114 True
# [(2, 's'), (3, ' '), (3, 'e')]
# 19 [(0, 0, 'a'), (1, 0, 'b'), (2, 9, 'c'), (12, 0, 's')] True
# '''
# ///
import heapq
from collections import Counter
from itertools import count


def huffman(text):
    order = count()
    heap = [(n, next(order), letter) for letter, n in sorted(Counter(text).items())]
    heapq.heapify(heap)
    while len(heap) > 1:
        (n, _, a), (m, _, b) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (n + m, next(order), (a, b)))
    codes = {}

    def walk(node, prefix):
        if isinstance(node, tuple):
            walk(node[0], prefix + "0")
            walk(node[1], prefix + "1")
        else:
            codes[node] = prefix or "0"

    walk(heap[0][2], "")
    return codes


def decode(bits, codes):
    letters, out, current = {v: k for k, v in codes.items()}, [], ""
    for bit in bits:
        current += bit
        if current in letters:
            out.append(letters[current])
            current = ""
    return "".join(out)


def lz(text, window=40):
    at, out = 0, []
    while at < len(text):
        best = (0, 0)
        for start in range(max(0, at - window), at):
            size = 0
            while at + size < len(text) - 1 and text[start + size] == text[at + size]:
                size += 1
            best = max(best, (size, at - start))
        size, back = best
        out.append((back, size, text[at + size]))
        at += size + 1
    return out


def unlz(triples):
    out = []
    for back, size, letter in triples:
        for _ in range(size):
            out.append(out[-back])
        out.append(letter)
    return "".join(out)


text = "she sells sea shells by the sea shore"
codes = huffman(text)
bits = "".join(codes[c] for c in text)
print(len(text) * 8, "->", len(bits), decode(bits, codes) == text)
print(sorted((len(code), letter) for letter, code in codes.items())[:3])
triples = lz("abababababac" + text)
print(len(triples), triples[:4], unlz(triples) == "abababababac" + text)
codes["s"]
