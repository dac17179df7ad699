# /// program
# about = "Counts the words of a short text and lists the most common."
# value = "{'it': 8, 'was': 8, 'the': 8}"
# stdout = '''
# it        ######## 8
# was       ######## 8
# the       ######## 8
# of        ######## 8
# times     ## 2
# once: belief, best, darkness, foolishness, incredulity, light, wisdom, worst
# '''
# ///
import re
from collections import Counter

TEXT = """
It was the best of times, it was the worst of times, it was the age of wisdom,
it was the age of foolishness, it was the epoch of belief, it was the epoch of
incredulity, it was the season of Light, it was the season of Darkness.
"""


def words_of(text):
    return re.findall(r"[a-z']+", text.lower())


counts = Counter(words_of(TEXT))
for word, count in counts.most_common(5):
    print(f"{word:<10}{'#' * count} {count}")

once = sorted(word for word, count in counts.items() if count == 1)
print("once:", ", ".join(once))
dict(counts.most_common(3))
