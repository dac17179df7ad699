// Numbers: integer, float and BigInt arithmetic, bit operations, Math, formatting and parsing.
(function main() {
  let seed = 2024;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 4294967296;

  function gcd(a, b) {
    while (b !== 0) [a, b] = [b, a % b];
    return a;
  }
  function collatzLength(n) {
    let steps = 0;
    while (n !== 1) {
      n = n % 2 === 0 ? n / 2 : 3 * n + 1;
      steps++;
    }
    return steps;
  }
  function bitCount(n) {
    let bits = 0;
    for (; n !== 0; n &= n - 1) bits++;
    return bits;
  }
  function integrate(f, from, to, steps) {
    const width = (to - from) / steps;
    let area = (f(from) + f(to)) / 2;
    for (let i = 1; i < steps; i++) area += f(from + i * width);
    return area * width;
  }
  function powerModulo(base, exponent, modulus) {
    let power = 1n;
    for (base %= modulus; exponent > 0n; exponent >>= 1n) {
      if (exponent & 1n) power = (power * base) % modulus;
      base = (base * base) % modulus;
    }
    return power;
  }

  let whole = 0, mean = 0, spread = 0, text = 0;
  for (let i = 1; i <= 1500; i++) {
    whole += gcd(i * 12, 5040) + (collatzLength(i) & 15) + bitCount(i ^ (i << 5)) - (~i >>> 28);
    const sample = random() * 20 - 10, delta = sample - mean;
    mean += delta / i;
    spread += delta * (sample - mean);
    whole += Math.floor(sample) + Math.max(i % 9, 4) - Math.min(i, 7, 30) + Math.trunc(sample / 3);
    if (i % 5 === 0) text += Number((sample + 20).toFixed(2)) + parseInt(i.toString(16), 16) + parseFloat(`${i}.5`);
    if (Number.isInteger(i / 4) && !Number.isNaN(sample)) whole += Math.round(Math.abs(sample));
  }
  const area = integrate((x) => Math.sqrt(x) * Math.sin(x) + x ** 2, 0, 3, 1500);
  const distance = Math.hypot(3, 4) + Math.log2(1024) + Math.cbrt(27) + Math.sign(-3);

  let factorial = 1n, remainders = 0n;
  for (let i = 1n; i <= 60n; i++) {
    factorial *= i;
    remainders += powerModulo(i + 2n, 65537n, 1000000007n) + (factorial % (i + 97n)) - BigInt.asIntN(8, factorial + i);
  }
  const digits = [...factorial.toString()].reduce((sum, digit) => sum + Number(digit), 0);
  const deviation = Math.sqrt(spread / 1499);
  const result = [whole, deviation.toFixed(4), text.toFixed(1), area.toFixed(6), distance, remainders, digits].join(" ");
  if (result !== "196959 5.6698 457619.1 11.417853 17 26949627324 288") throw new Error(`numbers: got ${result}`);
})();
