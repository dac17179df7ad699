# /// program
# about = "Archives: zipfile in memory and on disk, tarfile, refusing a bad archive."
# stdout = '''
# ['a.txt', 'b.txt', 'sub/c.txt'] None
# 36 True e0ac0fd0
# b'beta\n'
# gamma False
# ['data', 'data/a.txt', 'data/b.txt', 'note'] b'hello'
# ['out/data/a.txt', 'out/data/b.txt', 'out/note', 'out/sub/c.txt']
# File is not a zip file
# '''
# wrote_also = ["backup.zip", "backup.tar.gz"]
# [files]
# "in/a.txt" = '''
# alpha alpha alpha alpha alpha alpha
# '''
# "in/b.txt" = '''
# beta
# '''
# [wrote]
# "out/data/a.txt" = '''
# alpha alpha alpha alpha alpha alpha
# '''
# "out/data/b.txt" = '''
# beta
# '''
# "out/note" = "hello"
# "out/sub/c.txt" = "gamma"
# ///
import io
import tarfile
import zipfile
from pathlib import Path

with zipfile.ZipFile("backup.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for file in sorted(Path("in").glob("*.txt")):
        archive.write(file, file.name)
    archive.writestr("sub/c.txt", "gamma")
with zipfile.ZipFile("backup.zip") as archive:
    print(archive.namelist(), archive.testzip())
    info = archive.getinfo("a.txt")
    print(info.file_size, info.compress_size < info.file_size, f"{info.CRC:08x}")
    archive.extract("sub/c.txt", "out")
    with archive.open("b.txt") as member:
        print(member.read())
print(Path("out/sub/c.txt").read_text(), zipfile.is_zipfile("in/a.txt"))

with tarfile.open("backup.tar.gz", "w:gz") as tar:
    tar.add("in", arcname="data")
    extra = tarfile.TarInfo("note")
    extra.size = 5
    tar.addfile(extra, io.BytesIO(b"hello"))
with tarfile.open("backup.tar.gz") as tar:
    print(sorted(tar.getnames()), tar.extractfile("note").read())
    tar.extractall("out", filter="data")
print(sorted(p.as_posix() for p in Path("out").rglob("*") if p.is_file()))
try:
    zipfile.ZipFile(io.BytesIO(b"not a zip"))
except zipfile.BadZipFile as error:
    print(error)
