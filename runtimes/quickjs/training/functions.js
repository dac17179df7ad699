// Functions: recursion, closures, default, rest and spread arguments, currying, memoisation.
(function main() {
  const ackermann = (m, n) => (m === 0 ? n + 1 : n === 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1)));

  function hanoi(discs, from = "left", to = "right", via = "middle", moves = []) {
    if (discs > 0) {
      hanoi(discs - 1, from, via, to, moves);
      moves.push(from.length * to.length);
      hanoi(discs - 1, via, to, from, moves);
    }
    return moves;
  }

  function makeCounter(step = 1) {
    let count = 0;
    return {
      next: () => (count += step),
      reset() { count = 0; },
      get value() { return count; },
    };
  }

  const curry = (fn, ...held) => (...more) => {
    const all = [...held, ...more];
    return all.length >= fn.length ? fn(...all) : curry(fn, ...all);
  };
  const compose = (...fns) => (start) => fns.reduce((value, fn) => fn(value), start);

  function memoise(fn) {
    const known = new Map();
    return function remembered(...args) {
      const key = args.join("|");
      if (!known.has(key)) known.set(key, fn.apply(this, args));
      return known.get(key);
    };
  }
  const paths = memoise((rows, columns) =>
    rows === 0 || columns === 0 ? 1 : (paths(rows - 1, columns) + paths(rows, columns - 1)) % 1000007);

  function largest(first, ...others) {
    let best = first;
    for (const other of others) if (other > best) best = other;
    return best;
  }
  function sumOf() {
    let sum = 0;
    for (let i = 0; i < arguments.length; i++) sum += arguments[i];
    return sum;
  }

  let result = ackermann(2, 20) + hanoi(10).reduce((sum, move) => sum + move, 0) + paths(20, 40);
  const counter = makeCounter(3), volume = curry((a, b, c) => a * b - c);
  const pipeline = compose((x) => x + 1, volume(3)(2), Math.abs.bind(Math));
  for (let i = 0; i < 1500; i++) {
    if (i % 100 === 0) counter.reset();
    result += counter.next() + counter.value + pipeline(i % 5);
    result += largest(i, i % 7, 12, ...[i >> 1, 400]) - sumOf.call(null, i, 1, 2);
  }
  if (result !== 659331) throw new Error(`functions: got ${result}`);
})();
