# /// program
# about = "Groups words from a file into anagram classes."
# value = "[['enlist', 'listen', 'silent'], ['below', 'elbow'], ['chin', 'inch'], ['night', 'thing'], ['state', 'taste']]"
# stdout = '''
# enlist = listen = silent
# below = elbow
# chin = inch
# night = thing
# state = taste
# '''
# [files]
# "words.txt" = '''
# listen
# silent
# enlist
# google
# elbow
# below
# state
# taste
# night
# thing
# inch
# chin
# python
# '''
# ///
from collections import defaultdict
from pathlib import Path

groups = defaultdict(list)
for word in Path("words.txt").read_text().split():
    groups["".join(sorted(word))].append(word)

anagrams = sorted((sorted(g) for g in groups.values() if len(g) > 1), key=lambda g: (-len(g), g))
for group in anagrams:
    print(" = ".join(group))
anagrams
