# /// program
# about = "gzip, bz2, lzma and zlib: round trips, streaming, checksums, truncated data."
# stdout = '''
# gzip True True
# bz2 True True
# lzma True True
# zlib True True
# ['line 0', 'line 1', 'line 2']
# True 0x3610a686 0x62c0215
# b'abcab'
# error Error -3 while decompressing d
# BadGzipFile Not a gzipped file (b'ju')
# OSError Invalid data stream
# '''
# ///
import bz2
import gzip
import io
import lzma
import zlib

data = b"the same words again and again, " * 500
for module in (gzip, bz2, lzma, zlib):
    packed = module.compress(data)
    print(module.__name__, len(packed) < len(data) / 20, module.decompress(packed) == data)

with gzip.open("log.gz", "wt", encoding="utf-8") as out:
    for n in range(3):
        print("line", n, file=out)
with gzip.open("log.gz", "rt", encoding="utf-8") as lines:
    print([line.strip() for line in lines])

compressor, parts = zlib.compressobj(9), []
for start in range(0, len(data), 1000):
    parts.append(compressor.compress(data[start : start + 1000]))
parts.append(compressor.flush())
print(zlib.decompress(b"".join(parts)) == data, hex(zlib.crc32(b"hello")), hex(zlib.adler32(b"hello")))
with lzma.LZMAFile(io.BytesIO(lzma.compress(b"abc" * 10))) as file:
    print(file.read(5))
for bad in (lambda: zlib.decompress(b"junk"), lambda: gzip.decompress(b"junk"), lambda: bz2.decompress(b"junk")):
    try:
        bad()
    except (zlib.error, OSError) as error:
        print(type(error).__name__, str(error)[:30])
import os
os.remove("log.gz")
