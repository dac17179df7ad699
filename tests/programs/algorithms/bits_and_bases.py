# /// program
# about = "Bit tricks, base conversion, checksums (Luhn, CRC), XOR puzzles."
# value = "('0xdead4110', '00001010', '0o10')"
# stdout = '''
# 11111111 -zz 0 1295
# True False
# cbf43926 True
# 10 71 -6 -3 -3 1
# 4 [1, 2, 4, 8, 16, 32, 64]
# ffffffffffffffff -257
# '''
# ///
import binascii
from functools import reduce
from operator import xor

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def to_base(number, base):
    if number < 0:
        return "-" + to_base(-number, base)
    out = ""
    while True:
        number, digit = divmod(number, base)
        out = DIGITS[digit] + out
        if not number:
            return out


def luhn(number):
    total = 0
    for i, c in enumerate(reversed(number)):
        digit = int(c)
        if i % 2:
            digit = digit * 2 - 9 * (digit > 4)
        total += digit
    return total % 10 == 0


def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


print(to_base(255, 2), to_base(-1295, 36), to_base(0, 7), int("zz", 36))
print(luhn("4539578763621486"), luhn("4539578763621487"))
print(f"{crc32(b'123456789'):08x}", crc32(b"hello") == binascii.crc32(b"hello"))
print((1023).bit_count(), (1 << 70).bit_length(), ~5, -5 >> 1, -5 // 2, -5 % 3)
print(reduce(xor, [4, 1, 2, 1, 2]), [n for n in range(1, 65) if n & (n - 1) == 0])
print((2**64 - 1).to_bytes(8, "big").hex(), int.from_bytes(b"\xff\xfe", "little", signed=True))
hex(int("deadbeef", 16) ^ 0xFFFF), bin(10)[2:].zfill(8), oct(8)
