// Promises and async functions: chains, Promise.all/allSettled/race/any, a worker pool, retries, async generators, for await.
await (async function main() {
  const delay = async (turns, value) => {
    for (let i = 0; i < turns; i++) await null; // waits by turns of the job queue, not by time
    return value;
  };
  class Cancelled extends Error {}

  async function fetchPage(page) {
    await delay(page % 4);
    if (page % 13 === 12) throw new Error(`page ${page} is missing`);
    return { page, items: Array.from({ length: 4 }, (_, i) => page * 4 + i), next: page < 120 ? page + 1 : null };
  }
  async function retry(action, attempts = 3) {
    for (let attempt = 1; ; attempt++) {
      try { return await action(attempt); }
      catch (error) { if (attempt >= attempts || error instanceof Cancelled) throw error; }
    }
  }
  async function* pages(from = 0) {
    for (let page = from; page !== null; ) {
      const { items, next } = await fetchPage(page).catch(() => ({ items: [], next: page + 1 }));
      yield* items;
      page = next;
    }
  }
  async function pool(jobs, workers) {
    const results = new Array(jobs.length);
    let position = 0;
    const worker = async () => {
      while (position < jobs.length) {
        const mine = position++;
        results[mine] = await jobs[mine]();
      }
    };
    await Promise.all(Array.from({ length: workers }, worker));
    return results;
  }
  class Mutex {
    #tail = Promise.resolve();
    run(action) {
      const outcome = this.#tail.then(action);
      this.#tail = outcome.catch(() => {});
      return outcome;
    }
  }

  let sum = 0, finished = 0;
  for await (const item of pages()) sum += item;
  const squares = await pool(Array.from({ length: 600 }, (_, i) => () => delay(i % 5, i * i)), 4);
  const settled = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => fetchPage(i)));
  const failures = settled.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
  const fastest = await Promise.race([delay(9, "slow"), delay(2, "quick"), delay(5, "middling")]);
  const lucky = await Promise.any([Promise.reject(new Cancelled("no")), delay(3, "yes")]);
  const stubborn = await retry(async (n) => (n < 3 ? Promise.reject(new Error("again")) : delay(1, n)));
  const given = await retry(() => { throw new Cancelled("stop"); }).catch((error) => error.message).finally(() => finished++);
  const lock = new Mutex(), order = [];
  await Promise.all([3, 1, 2].map((n) => lock.run(async () => { await delay(n); order.push(n); })));
  let chain = new Promise((resolve) => resolve(1));
  for (let i = 0; i < 600; i++) chain = chain.then((value) => (value * 7 + i) % 1013);
  const total = squares.reduce((a, b) => a + b, 0);
  const result = [sum, total, failures.length, failures.at(-1), fastest, lucky, stubborn, given, finished, ...order, await chain].join(" ");
  if (result !== "107616 71820100 4 page 51 is missing quick yes 3 stop 1 3 1 2 621") throw new Error(`tasks: got ${result}`);
})();
