// Iteration: generators, Symbol.iterator, delegation, for-of, for-in, linked list, binary tree, lazy pipelines.
(function main() {
  function* range(from, to, step = 1) { for (let i = from; i < to; i += step) yield i; }
  function* map(items, fn) { for (const item of items) yield fn(item); }
  function* filter(items, test) { for (const item of items) if (test(item)) yield item; }
  function* take(items, count) {
    if (count <= 0) return;
    for (const item of items) { yield item; if (--count === 0) return; }
  }
  function* permutations(items) {
    if (items.length < 2) yield items;
    for (let i = 0; i < items.length && items.length > 1; i++) {
      const others = [...items.slice(0, i), ...items.slice(i + 1)];
      for (const rest of permutations(others)) yield [items[i], ...rest];
    }
  }
  class LinkedList {
    head = null;
    add(value) { this.head = { value, next: this.head }; return this; }
    reverse() {
      let previous = null;
      for (let node = this.head; node; ) [node.next, previous, node] = [previous, node, node.next];
      this.head = previous;
    }
    [Symbol.iterator]() {
      let node = this.head;
      return {
        next() {
          if (!node) return { value: undefined, done: true };
          const { value } = node;
          node = node.next;
          return { value, done: false };
        },
      };
    }
  }
  const insert = (tree, key) => {
    if (!tree) return { key, left: null, right: null };
    if (key !== tree.key) tree[key < tree.key ? "left" : "right"] = insert(key < tree.key ? tree.left : tree.right, key);
    return tree;
  };
  function* inOrder(tree) {
    if (tree) { yield* inOrder(tree.left); yield tree.key; yield* inOrder(tree.right); }
  }
  function* averager() {
    for (let sum = 0, count = 0, value; ; count++) { value = yield count ? sum / count : 0; sum += value; }
  }

  let result = 0, tree = null;
  const list = new LinkedList(), running = averager();
  running.next();
  for (const n of range(0, 700)) { tree = insert(tree, (n * 263) % 701); list.add(n % 50); }
  list.reverse();
  for (const value of list) result += running.next(value).value;
  for (const odd of take(filter(map(range(1, 1e6, 3), (n) => n * n), (n) => n % 2), 300)) result += odd % 11;
  for (const order of permutations(["a", "b", "c", "d", "e"])) result += order.join("") < "cab" ? 1 : 0;
  for (const key in { ...[..."spread"], tail: 1 }) result += key.length;
  const [first, second, ...others] = inOrder(tree);
  result = Math.round(result) + first + second * others.length + Math.max(...others) + Array.from(list, (x) => x + 1).length;
  if (result !== 19345) throw new Error(`iteration: got ${result}`);
})();
