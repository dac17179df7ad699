# /// program
# about = "Very large integers: factorials, Fibonacci, modular powers, RSA with toy keys, digits."
# value = "(1606938044258990275541962092341162602522202993782792835301376, -515377520732011331036461129765621272702107522001)"
# stdout = '''
# 1135 4599 122013682599
# 55 4382863125 280571172992510140037611932413038677189525
# True b'secret'
# 170141183460469231731687303715884105727 127 100000000000000000000 142857142857142857142857142857 -142857142857142857142857142858 (-4, 3)
# 1366 True 207
# Exceeds the limit (10000 digits) for integer s
# '''
# ///
import math
import sys

sys.set_int_max_str_digits(10_000)
factorial = math.factorial(500)
print(len(str(factorial)), sum(map(int, str(factorial))), str(factorial)[:12])


def fib(n):
    a, b = 0, 1
    for bit in bin(n)[2:]:
        a, b = a * (2 * b - a), a * a + b * b
        if bit == "1":
            a, b = b, a + b
    return a


print(fib(10), str(fib(5000))[-10:], fib(200))
p, q, e = 1_000_000_007, 998_244_353, 65_537
d = pow(e, -1, (p - 1) * (q - 1))
message = int.from_bytes(b"secret", "big")
cipher = pow(message, e, p * q)
print(cipher != message, pow(cipher, d, p * q).to_bytes(6, "big"))
print(2**127 - 1, (2**127 - 1).bit_length(), math.isqrt(10**40), 10**30 // 7, -(10**30) // 7, divmod(-17, 5))
print(sum(int(c) for c in str(2**1000)), int("9" * 40) + 1 == 10**40, 7**77 % 1000)
try:
    int("1" * 10_001)
except ValueError as error:
    print(str(error)[:46])
2**200, -(3**100)
