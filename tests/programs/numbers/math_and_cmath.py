# /// program
# about = "math and cmath: identities, special values, complex roots, floating point."
# value = "[(3-4j), 5.0, inf, -0.0, 1267650600228229401496703205376, 1e+22]"
# stdout = '''
# 6 60 2598960 2432902008176640000
# -1.000+0.000j (1.0, 1.5707963267948966) ['0.00+2.00j', '0.54+0.84j']
# True 1.0 0.30000000000000004 2.220446049250313e-16
# -3 -2 -2 -1.0 -1.0 2
# True False True 2.220446049250313e-16
# 45.0 5.0 1.4142 10.0 3.000000
# 24.0 0.842701 1.000e-10 (0.53125, 4) (0.25, 3.0)
# [2.0, 1.0] ((-1+2j), (-1-2j))
# ValueError
# ValueError
# OverflowError
# ZeroDivisionError
# 0x1.999999999999ap-4 3.0 (3, 4) 1000.5
# '''
# ///
import cmath
import math
import sys

print(math.gcd(48, 180, 30), math.lcm(4, 6, 10), math.comb(52, 5), math.factorial(20))
print(f"{math.e ** (1j * math.pi):.3f}", cmath.polar(1j), [f"{z:.2f}" for z in (cmath.sqrt(-4), cmath.exp(1j))])
print(math.isclose(0.1 + 0.2, 0.3), math.fsum([0.1] * 10), sum([0.1] * 3), math.nextafter(1, 2) - 1)
print(math.floor(-2.5), math.ceil(-2.5), math.trunc(-2.5), math.copysign(1, -0.0), math.fmod(-7, 3), -7 % 3)
print(math.inf > 10**308, math.nan == math.nan, math.isinf(1e308 * 10), sys.float_info.epsilon)
print(f"{math.degrees(math.atan2(1, 1)):.1f} {math.hypot(3, 4)} {math.dist((0, 0), (1, 1)):.4f} {math.log2(1024)} {math.cbrt(27):.6f}")
print(f"{math.gamma(5):.1f} {math.erf(1):.6f} {math.log1p(1e-10):.3e} {math.frexp(8.5)} {math.modf(3.25)}")


def roots(a, b, c):
    d = cmath.sqrt(b * b - 4 * a * c)
    return (-b + d) / (2 * a), (-b - d) / (2 * a)


print([root.real for root in roots(1, -3, 2)], roots(1, 2, 5))
for bad in (lambda: math.sqrt(-1), lambda: math.log(0), lambda: math.exp(1000), lambda: 1 // 0):
    try:
        bad()
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        print(type(error).__name__)
print((0.1).hex(), float.fromhex("0x1.8p+1"), (0.75).as_integer_ratio(), float("1_000.5"))
[(3 + 4j).conjugate(), abs(3 + 4j), math.inf, -0.0, 2**100, 1e22]
