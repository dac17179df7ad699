// Search: shortest paths with a priority queue, breadth-first search of a maze, backtracking (queens).
(function main() {
  class PriorityQueue {
    #heap = [];
    get size() { return this.#heap.length; }
    push(rank, value) {
      const heap = this.#heap;
      let i = heap.push({ rank, value }) - 1;
      for (let up; i > 0 && heap[(up = (i - 1) >> 1)].rank > heap[i].rank; i = up) [heap[i], heap[up]] = [heap[up], heap[i]];
    }
    pop() {
      const heap = this.#heap, top = heap[0], last = heap.pop();
      if (heap.length) heap[0] = last;
      for (let i = 0, child; (child = 2 * i + 1) < heap.length; i = child) {
        if (child + 1 < heap.length && heap[child + 1].rank < heap[child].rank) child++;
        if (heap[i].rank <= heap[child].rank) break;
        [heap[i], heap[child]] = [heap[child], heap[i]];
      }
      return top;
    }
  }
  function dijkstra(graph, start) {
    const distances = { [start]: 0 }, queue = new PriorityQueue();
    for (queue.push(0, start); queue.size > 0; ) {
      const { rank, value: node } = queue.pop();
      if (rank > distances[node]) continue;
      for (const { to, cost } of graph.get(node) ?? []) {
        if (rank + cost < (distances[to] ?? Infinity)) queue.push((distances[to] = rank + cost), to);
      }
    }
    return distances;
  }
  function mazeSteps(rows) {
    const seen = new Set(["0,0"]);
    for (let frontier = [[0, 0]], steps = 0; frontier.length; steps++) {
      const next = [];
      for (const [x, y] of frontier) {
        if (y === rows.length - 1 && x === rows[0].length - 1) return steps;
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          const key = `${x + dx},${y + dy}`;
          if (rows[y + dy]?.[x + dx] === "." && !seen.has(key)) { seen.add(key); next.push([x + dx, y + dy]); }
        }
      }
      frontier = next;
    }
    return -1;
  }
  function queens(size, row = 0, columns = [], found = { count: 0 }) {
    if (row === size) found.count++;
    for (let column = 0; column < size && row < size; column++) {
      if (columns.some((other, r) => other === column || Math.abs(other - column) === row - r)) continue;
      columns.push(column);
      queens(size, row + 1, columns, found);
      columns.pop();
    }
    return found.count;
  }
  const graph = new Map();
  for (let i = 0; i < 240; i++) graph.set("v" + i, [1, 7, 31].map((hop) => ({ to: "v" + ((i * hop + hop) % 240), cost: ((i * hop) % 17) + 1 })));
  const maze = Array.from({ length: 19 }, (_, y) => Array.from({ length: 19 }, (_, x) => (y % 2 && x !== (y % 4 === 1 ? 18 : 0) ? "#" : ".")).join(""));
  const far = Object.values(dijkstra(graph, "v0")).reduce((a, b) => Math.max(a, b));
  const result = `${far} ${mazeSteps(maze)} ${queens(7)}`;
  if (result !== "51 180 40") throw new Error(`search: got ${result}`);
})();
