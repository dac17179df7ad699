# /// program
# about = "tempfile: named files, folders, spooled files, cleaning up after themselves."
# value = "'/tmp'"
# stdout = '''
# temporary True
# ['a.txt'] True
# False
# 3 True 15
# False
# b'89abcdef'
# b'bytes' 9
# '''
# ///
import os
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory(prefix="work-") as folder:
    inner = Path(folder, "a.txt")
    inner.write_text("temporary")
    print(inner.read_text(), Path(folder).name.startswith("work-"))
    here = os.getcwd()
    os.chdir(folder)
    print(os.listdir(), Path.cwd().name == Path(folder).name)
    os.chdir(here)
print(os.path.exists(folder))

with tempfile.NamedTemporaryFile("w+", suffix=".log", delete=True) as file:
    file.write("line\n" * 3)
    file.flush()
    file.seek(0)
    print(file.read().count("line"), file.name.endswith(".log"), os.path.getsize(file.name))
print(os.path.exists(file.name))

with tempfile.SpooledTemporaryFile(max_size=10) as spool:
    spool.write(b"0123456789abcdef")
    spool.seek(8)
    print(spool.read())
handle, name = tempfile.mkstemp()
os.write(handle, b"raw bytes")
os.lseek(handle, 4, os.SEEK_SET)
print(os.read(handle, 100), os.fstat(handle).st_size)
os.close(handle)
os.remove(name)
tempfile.gettempdir()
