# /// program
# about = "A trie of nested dicts that completes prefixes."
# value = "{'t': {'o': {'$': True}, 'e': {'n': {'$': True}}}}"
# stdout = '''
# 'car' ['car', 'card', 'care', 'careful']
# 'do' ['dog', 'door', 'dot']
# 'x' []
# '' ['car', 'card', 'care', 'careful', 'cat']
# '''
# ///
END = "$"


def build(words):
    root = {}
    for word in words:
        node = root
        for letter in word:
            node = node.setdefault(letter, {})
        node[END] = True
    return root


def complete(root, prefix, limit=5):
    node = root
    for letter in prefix:
        if letter not in node:
            return []
        node = node[letter]
    found, stack = [], [(prefix, node)]
    while stack and len(found) < limit:
        word, node = stack.pop()
        if END in node:
            found.append(word)
        stack += [(word + c, node[c]) for c in sorted(node, reverse=True) if c != END]
    return found


trie = build("car card care careful cat dog door dot".split())
for prefix in ("car", "do", "x", ""):
    print(repr(prefix), complete(trie, prefix))
build(["to", "ten"])
