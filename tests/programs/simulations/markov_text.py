# /// program
# about = "A Markov chain text generator and a hangman game with seeded random."
# stdout = '''
# ['cat', 'dog', 'log', 'mat']
# True
# e: ______ e
# t: __t___ e
# a: __t___ ea
# o: __t_o_ ea
# h: __tho_ ea
# n: __thon ea
# x: __thon eax
# y: _ython eax
# p: python eax
# won
# True
# '''
# ///
import random
from collections import defaultdict

CORPUS = """the cat sat on the mat the dog sat on the log the cat saw the dog
and the dog saw the cat and then the cat ran"""


def train(text, order=1):
    words, chain = text.split(), defaultdict(list)
    for at in range(len(words) - order):
        chain[tuple(words[at : at + order])].append(words[at + order])
    return chain


def generate(chain, length, rng):
    state = rng.choice(sorted(chain))
    out = list(state)
    while len(out) < length and state in chain:
        word = rng.choice(chain[state])
        out.append(word)
        state = (*state[1:], word)
    return " ".join(out)


def hangman(secret, guesses):
    found, wrong = set(), []
    for guess in guesses:
        (found.add if guess in secret else wrong.append)(guess)
        shown = "".join(c if c in found else "_" for c in secret)
        print(f"{guess}: {shown} {''.join(wrong)}")
        if "_" not in shown:
            return "won"
        if len(wrong) == 4:
            return "lost"
    return "unfinished"


chain = train(CORPUS)
print(sorted(set(chain["the",])))
rng = random.Random(5)
texts = [generate(chain, 8, rng) for _ in range(2)]
print(texts[0] == generate(chain, 8, random.Random(5)))
print(hangman("python", "etaohnxyp"))
print(all(b in chain[(a,)] for text in texts for a, b in zip(text.split(), text.split()[1:])))
