// Dynamic programming (knapsack, common subsequence, coin change), an LRU cache, the game of life, union-find.
(function main() {
  function knapsack(items, capacity) {
    const best = new Array(capacity + 1).fill(0);
    for (const { weight, worth } of items)
      for (let room = capacity; room >= weight; room--) best[room] = Math.max(best[room], best[room - weight] + worth);
    return best[capacity];
  }
  function commonSubsequence(a, b) {
    const table = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(""));
    for (let i = 1; i <= a.length; i++) {
      for (let j = 1; j <= b.length; j++) {
        const up = table[i - 1][j], left = table[i][j - 1];
        table[i][j] = a[i - 1] === b[j - 1] ? table[i - 1][j - 1] + a[i - 1] : up.length > left.length ? up : left;
      }
    }
    return table[a.length][b.length];
  }
  const waysToPay = (amount, coins) =>
    coins.reduce((ways, coin) => {
      for (let sum = coin; sum <= amount; sum++) ways[sum] += ways[sum - coin];
      return ways;
    }, [1, ...Array(amount).fill(0)])[amount];
  function countGroups(size, links) {
    const parents = [...Array(size).keys()];
    const find = (node) => (parents[node] === node ? node : (parents[node] = find(parents[node])));
    for (const [one, two] of links) parents[find(one)] = find(two);
    return new Set(parents.map((_, node) => find(node))).size;
  }
  class LruCache {
    constructor(limit) { this.limit = limit; this.items = new Map(); this.hits = 0; }
    fetch(key, make) {
      const known = this.items.has(key), value = known ? this.items.get(key) : make(key);
      if (known) { this.hits++; this.items.delete(key); }
      else if (this.items.size >= this.limit) this.items.delete(this.items.keys().next().value);
      this.items.set(key, value);
      return value;
    }
  }
  function life(cells) {
    const at = (x, y) => cells[(y + cells.length) % cells.length][(x + cells.length) % cells.length];
    return cells.map((row, y) => row.map((alive, x) => {
      let around = -alive;
      for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) around += at(x + dx, y + dy);
      return around === 3 || (alive && around === 2) ? 1 : 0;
    }));
  }
  const cache = new LruCache(20);
  let cells = Array.from({ length: 14 }, (_, y) => Array.from({ length: 14 }, (_, x) => ((x * x + y * 3) % 5 === 0 ? 1 : 0))), made = 0;
  for (let i = 0; i < 600; i++) made += cache.fetch(`k${(i * i) % 47}`, (key) => key.length);
  for (let turn = 0; turn < 5; turn++) cells = life(cells);
  const worth = knapsack(Array.from({ length: 25 }, (_, i) => ({ weight: 3 + ((i * 5) % 11), worth: 10 + ((i * 7) % 23) })), 100);
  const shared = commonSubsequence("the cat sat on the warm mat by the door", "a bat that ate the moth was on the mat");
  const groups = countGroups(300, Array.from({ length: 220 }, (_, i) => [(i * 17) % 300, (i * i * 7) % 300]));
  const alive = cells.flat().filter(Boolean).length;
  const result = [worth, shared, waysToPay(500, [1, 2, 5, 10, 20, 50]), groups, cache.hits, made, alive].join(" ");
  if (result !== "347  at at  the m a  the  3937256 86 480 1584 38") throw new Error(`dynamic: got ${result}`);
})();
