# /// program
# about = "Compares two versions of a text with difflib."
# value = "True"
# stdout = '''
# --- old.py
# +++ new.py
# @@ -1,5 +1,5 @@
# -def total(items):
# -    result = 0
# +def total(items, start=0):
# +    result = start
#      for item in items:
#          result += item
#      return result
# 0.866
# equal 0 6 0 6
# insert 6 6 6 15
# equal 6 29 15 38
# ['apple', 'ape']
# '''
# ///
import difflib

before = """\
def total(items):
    result = 0
    for item in items:
        result += item
    return result
""".splitlines(keepends=True)
after = """\
def total(items, start=0):
    result = start
    for item in items:
        result += item
    return result
""".splitlines(keepends=True)

diff = list(difflib.unified_diff(before, after, "old.py", "new.py"))
for line in diff:
    print(line.rstrip())

matcher = difflib.SequenceMatcher(None, "private Thread currentThread;", "private volatile Thread currentThread;")
print(f"{matcher.ratio():.3f}")
for tag, i1, i2, j1, j2 in matcher.get_opcodes():
    print(tag, i1, i2, j1, j2)
print(difflib.get_close_matches("appel", ["ape", "apple", "peach", "puppy"]))
list(difflib.restore(difflib.ndiff(before, after), 1)) == before
