# /// program
# about = "KMP, Rabin-Karp and a suffix array agree with str.find."
# value = "[5, 3, 1, 0, 4, 2]"
# stdout = '''
# abra 43 True
# cad 20 True
# bra 43 True
# rabr 2 True
# zzz 0 True
# '''
# ///
def kmp(text, pattern):
    failure, k = [0], 0
    for c in pattern[1:]:
        while k and pattern[k] != c:
            k = failure[k - 1]
        k += pattern[k] == c
        failure.append(k)
    found, k = [], 0
    for i, c in enumerate(text):
        while k and pattern[k] != c:
            k = failure[k - 1]
        k += pattern[k] == c
        if k == len(pattern):
            found.append(i - k + 1)
            k = failure[k - 1]
    return found


def rabin_karp(text, pattern, base=256, modulus=1_000_003):
    size = len(pattern)
    power = pow(base, size - 1, modulus)
    wanted = current = 0
    for i in range(size):
        wanted = (wanted * base + ord(pattern[i])) % modulus
        current = (current * base + ord(text[i])) % modulus
    found = []
    for i in range(len(text) - size + 1):
        if current == wanted and text[i : i + size] == pattern:
            found.append(i)
        if i + size < len(text):
            current = ((current - ord(text[i]) * power) * base + ord(text[i + size])) % modulus
    return found


def suffix_array(text):
    return sorted(range(len(text)), key=lambda i: text[i:])


def naive(text, pattern):
    return [i for i in range(len(text)) if text.startswith(pattern, i)]


text = "abracadabra" * 20 + "abrabrabra"
for pattern in ("abra", "cad", "bra", "rabr", "zzz"):
    results = kmp(text, pattern), rabin_karp(text, pattern), naive(text, pattern)
    print(pattern, len(results[0]), results[0] == results[1] == results[2])
suffix_array("banana")
