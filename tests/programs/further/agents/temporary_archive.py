# /// program
# about = "Packs generated files into a zip in a temporary folder, reads it back, hashes the content."
# value = "b'xxx'"
# stdout = '''
# [('data/part0/rows.csv', 8), ('data/part1/rows.csv', 12), ('data/part2/rows.csv', 16), ('README', 11)]
# True three parts .zip True
# ['all.zip', 'data']
# False
# '''
# ///
import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path


def digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(16):
            found.update(chunk)
    return found.hexdigest()[:12]


with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    for n in range(3):
        (root / "data" / f"part{n}").mkdir(parents=True)
        (root / "data" / f"part{n}" / "rows.csv").write_text("a,b\n" + f"{n},{n * n}\n" * (n + 1))
    packed = root / "all.zip"
    with zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((root / "data").rglob("*.csv")):
            archive.write(path, path.relative_to(root).as_posix())
        archive.writestr("README", "three parts")
    with zipfile.ZipFile(packed) as archive:
        print([(info.filename, info.file_size) for info in archive.infolist()])
        archive.extractall(root / "out")
    same = [digest(root / "data" / f"part{n}" / "rows.csv") == digest(root / "out" / "data" / f"part{n}" / "rows.csv") for n in range(3)]
    print(all(same), (root / "out" / "README").read_text(), packed.suffix, packed.stat().st_size > 100)
    shutil.rmtree(root / "out")
    print(sorted(os.listdir(root)))
print(os.path.exists(folder))
memory = io.BytesIO()
with zipfile.ZipFile(memory, "a") as archive:
    archive.writestr("x.txt", "x" * 100)
zipfile.ZipFile(memory).read("x.txt")[:3]
