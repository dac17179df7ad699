# /// program
# about = "A naive Bayes spam filter, TF-IDF search and a spelling corrector."
# value = "['spelling', 'the', 'they', 'xyzzy']"
# stdout = '''
# win cheap money -> spam -5.3800
# lunch at noon -> ham -8.5580
# offer -> spam -1.0217
# [(0.2703, 0), (0.1352, 1), (0.0, 2)]
# '''
# ///
import math
import re
from collections import Counter, defaultdict

MAILS = [
    ("spam", "win money now"), ("spam", "cheap money offer win win"), ("spam", "limited offer now"),
    ("ham", "meeting at noon"), ("ham", "lunch money for the meeting"), ("ham", "see you at lunch now"),
]


class Bayes:
    def __init__(self):
        self.words, self.mails = defaultdict(Counter), Counter()

    def learn(self, label, text):
        self.words[label].update(text.split())
        self.mails[label] += 1

    def score(self, label, text):
        vocabulary = len(set().union(*self.words.values()))
        total = self.words[label].total() + vocabulary
        return math.log(self.mails[label]) + sum(
            math.log((self.words[label][w] + 1) / total) for w in text.split()
        )

    def classify(self, text):
        return max(self.mails, key=lambda label: self.score(label, text))


def tf_idf(documents, query):
    counted = [Counter(re.findall(r"\w+", d.lower())) for d in documents]
    scores = []
    for n, counts in enumerate(counted):
        score = sum(
            counts[w] / counts.total() * math.log(len(counted) / sum(w in c for c in counted))
            for w in query.split() if any(w in c for c in counted)
        )
        scores.append((round(score, 4), n))
    return sorted(scores, reverse=True)


def correct(word, known):
    letters = "abcdefghijklmnopqrstuvwxyz"
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    edits = (
        {a + b[1:] for a, b in splits if b}
        | {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
        | {a + c + b[1:] for a, b in splits if b for c in letters}
        | {a + c + b for a, b in splits for c in letters}
    )
    return max([w for w in edits | {word} if w in known] or [word], key=lambda w: known.get(w, 0))


model = Bayes()
for label, text in MAILS:
    model.learn(label, text)
for text in ("win cheap money", "lunch at noon", "offer"):
    print(text, "->", model.classify(text), f"{model.score('spam', text):.4f}")
print(tf_idf(["The cat sat.", "The dog sat on the cat.", "Birds fly."], "cat sat"))
[correct(w, {"spelling": 5, "the": 90, "they": 20}) for w in ("speling", "teh", "thay", "xyzzy")]
