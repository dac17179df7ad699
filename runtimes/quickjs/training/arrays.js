// Arrays: stack and queue methods, higher-order methods, sorting, destructuring, matrices, typed arrays, DataView.
(function main() {
  let seed = 77;
  const random = (limit) => (seed = (seed * 48271) % 2147483647) % limit;
  const numbers = Array.from({ length: 800 }, () => random(1000));

  function methods(values) {
    const doubledEven = values.filter((value) => value % 2 === 0).map((value, index) => value * 2 + index);
    const pairs = values.slice(0, 200).flatMap((value) => (value > 500 ? [value, value - 500] : []));
    const last = values.findLastIndex((value) => value < 20), first = values.findIndex((value) => value > 990);
    const present = values.slice(0, 100).filter((value, i, all) => all.indexOf(value) === i && values.includes(value + 1));
    const flags = [values.some((value) => value === 3), values.every((value) => value < 1000)];
    let sum = 0;
    values.forEach((value, index) => { sum += value * (index % 3); });
    return doubledEven.reduce((a, b) => a + b, 0) + pairs.length + last + first + present.length + flags.filter(Boolean).length + sum;
  }
  function queues(values) {
    const queue = [], stack = [];
    let total = 0;
    for (const value of values) {
      if (value % 3 === 0) queue.push(value); else if (value % 3 === 1) stack.push(value); else queue.unshift(value);
      if (queue.length > 20) total += queue.shift() + queue.pop();
      if (stack.length > 10) total -= stack.pop();
      if (queue.length % 7 === 6) total += queue.splice(2, 2, value).length;
    }
    return total + queue.concat(stack).reverse()[0] + queue.at(-1);
  }
  function sorting(values) {
    const people = values.slice(0, 300).map((value, id) => ({ id, age: value % 80, name: "n" + (value % 37) }));
    people.sort((a, b) => a.age - b.age || a.name.localeCompare(b.name) || b.id - a.id);
    const [{ id: youngest }, second, ...others] = people;
    const words = values.map(String).sort();
    return youngest + second.id + others[200].id + Number(words[450]) + values.toSorted((a, b) => b - a)[10];
  }
  function matrices(size) {
    const left = Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i * j) % 10));
    const right = left.map((row, i) => row.map((cell, j) => cell + i - j));
    const product = new Array(size).fill(0).map(() => new Array(size).fill(0));
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        for (let k = 0; k < size; k++) product[i][j] += left[i][k] * right[k][j];
    return product[0].map((_, column) => product.map((row) => row[column])).flat().reduce((a, b) => (a * 3 + b) % 65521, 1);
  }
  function binary(values) {
    const floats = Float64Array.from(values, (value) => value / 4), bytes = new Uint8Array(4096), view = new DataView(bytes.buffer);
    for (let i = 0; i < 500; i++) view.setUint32(i * 8, values[i] * 65539, i % 2 === 0), view.setInt16(i * 8 + 4, -i, true);
    const words = new Int32Array(bytes.buffer, 16, 200), tail = bytes.subarray(100, 900).slice().sort();
    let checksum = 0;
    for (const byte of bytes) checksum = (checksum * 31 + byte) & 0xffffff;
    for (let i = 0; i < 500; i++) checksum ^= view.getInt16(i * 8 + 4, true) + view.getUint8(i);
    words.fill(7, 50, 60);
    return checksum + words.reduce((a, b) => (a ^ b) | 0, 0) + tail[700] + Math.round(floats.map((x) => x * x).reduce((a, b) => a + b));
  }
  const result = methods(numbers) + queues(numbers) + sorting(numbers) + matrices(18) + binary(numbers);
  if (result !== -231093374) throw new Error(`arrays: got ${result}`);
})();
