# /// program
# about = "Makes, copies, moves, walks and removes folders with os, shutil, glob and pathlib."
# value = "False"
# stdout = '''
# project/ README.md out.bin
#   copy/ app.py
#   docs/ README.md
#   src/ app.py
#     lib/ util.py
# ['copy/app.py', 'src/app.py', 'src/lib/util.py']
# ['copy', 'docs'] ../src/lib
# [('README.md', False, 16), ('copy', True, 0), ('docs', True, 0), ('out.bin', False, 16), ('src', True, 0)]
# /a/b /a/c ('x.tar', '.gz')
# b/c.txt a/../b x.md
# README.md # docs/index.md True
# Directory not empty
# 0o600 True
# '''
# ///
import fnmatch
import glob
import os
import shutil
from pathlib import Path

root = Path("project")
for name in ("src/app.py", "src/lib/util.py", "docs/index.md", "build/out.bin"):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# {name}\n")

shutil.copytree(root / "src", root / "copy", ignore=shutil.ignore_patterns("lib"))
shutil.move(root / "docs" / "index.md", root / "README.md")
shutil.copy2(root / "README.md", root / "docs")
os.replace(root / "build" / "out.bin", root / "out.bin")
(root / "build").rmdir()

for folder, folders, files in os.walk(root):
    folders.sort()
    print(f"{'  ' * folder.count('/')}{os.path.basename(folder)}/ {' '.join(sorted(files))}")

print(sorted(glob.glob("**/*.py", root_dir=root, recursive=True)))
print(sorted(fnmatch.filter(os.listdir(root), "[a-d]*")), os.path.relpath("project/src/lib", "project/docs"))
with os.scandir(root) as entries:
    print(sorted((e.name, e.is_dir(), e.stat().st_size if e.is_file() else 0) for e in entries))
print(os.path.commonpath(["/a/b/c", "/a/b/d"]), os.path.normpath("/a/./b//../c"), os.path.splitext("x.tar.gz"))
print(Path("/a/b/c.txt").relative_to("/a"), Path("a/../b").as_posix(), Path("x.py").with_suffix(".md"))
os.symlink("README.md", root / "link")
print(os.readlink(root / "link"), (root / "link").read_text().strip(), (root / "link").is_symlink())
try:
    os.rmdir(root)
except OSError as error:
    print(error.strerror)
os.chmod(root / "out.bin", 0o600)
print(oct((root / "out.bin").stat().st_mode & 0o777), os.access(root / "out.bin", os.R_OK))
shutil.rmtree(root)
root.exists()
