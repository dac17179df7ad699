# /// program
# about = "Packs and unpacks a binary file format with struct, array and memoryview."
# value = "('80000000000000003fb999999999999a', 15)"
# stdout = '''
# b'DSPX' 1 9 3 39
# [(1, 1.5, True), (-2, -0.25, False), (3, 10000000000.0, True)]
# b'COPY\x01\x00' 39 True
# [256, 1, 65535] 2 [0, 1, 1, 0, 255, 255]
# 6 [8, 9, 10, 11]
# unpack requires a buffer of 9 bytes
# '''
# ///
import array
import struct
from pathlib import Path

HEADER = struct.Struct("<4sHHI")
RECORD = struct.Struct("<if?")
records = [(1, 1.5, True), (-2, -0.25, False), (3, 1e10, True)]

path = Path("data.bin")
with path.open("wb") as out:
    out.write(HEADER.pack(b"DSPX", 1, RECORD.size, len(records)))
    for record in records:
        out.write(RECORD.pack(*record))

blob = path.read_bytes()
magic, version, size, count = HEADER.unpack_from(blob)
print(magic, version, size, count, len(blob))
print(list(RECORD.iter_unpack(blob[HEADER.size:])))

view = memoryview(bytearray(blob))
view[:4] = b"COPY"
print(bytes(view[:6]), view.nbytes, view[HEADER.size:].tobytes() == blob[HEADER.size:])
numbers = array.array("H", [1, 256, 65535])
numbers.byteswap()
print(numbers.tolist(), numbers.itemsize, memoryview(numbers).cast("B").tolist())
grid = memoryview(bytes(range(12))).cast("B", (3, 4))
print(grid[1, 2], grid.tolist()[2])
try:
    RECORD.unpack(b"short")
except struct.error as error:
    print(error)
path.unlink()
struct.pack(">Qd", 2**63, 0.1).hex(), struct.calcsize("<bhlq")
