# /// program
# about = "Writes, appends, reads, seeks and edits text files in the working directory."
# value = "5"
# stdout = '''
# 'buy milk\n' 4 46 .txt today notes
# 40 b'sleep\n'
# ['notes/today.txt', 'notes/yesterday.txt'] True False
# True No such file or directory missing/file.txt
# Is a directory
# File exists
# '''
# [files]
# "notes/today.txt" = '''
# buy milk
# call bob
# '''
# [wrote]
# "notes/today.txt" = '''
# buy MILK
# call bob
# sleep
# water plants ✓
# '''
# "notes/yesterday.txt" = '''
# buy MILK
# call bob
# water plants ✓
# read
# sleep
# '''
# ///
import errno
import os
from pathlib import Path

path = Path("notes") / "today.txt"
with path.open("a", encoding="utf-8") as file:
    file.write("water plants ✓\n")
    file.writelines(["read\n", "sleep\n"])

with open(path, encoding="utf-8") as file:
    first = file.readline()
    rest = file.readlines()
print(repr(first), len(rest), path.stat().st_size, path.suffix, path.stem, path.parent.name)

with open(path, "r+b") as file:
    file.seek(4)
    file.write(b"MILK")
    file.seek(-6, os.SEEK_END)
    print(file.tell(), file.read())

lines = path.read_text(encoding="utf-8").splitlines()
lines.remove("read")
backup = path.rename("notes/yesterday.txt")
Path("notes", "today.txt").write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8", newline="\n")
print(sorted(p.as_posix() for p in Path().rglob("*.txt")), path.exists(), Path("nothing").exists())
try:
    open("missing/file.txt")
except FileNotFoundError as error:
    print(error.errno == errno.ENOENT, error.strerror, error.filename)
try:
    open("notes")
except IsADirectoryError as error:
    print(error.strerror)
try:
    open(path, "x")
except FileExistsError as error:
    print(error.strerror)
backup.read_text(encoding="utf-8").count("\n")
