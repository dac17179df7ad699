// Objects: literals, computed keys, delete, in, entries/keys/assign, spread, getters; Map, Set, WeakMap; records grouped.
(function main() {
  const CITIES = ["Oslo", "Lima", "Cairo", "Perth", "Quito"], KINDS = ["book", "game", "tool"];
  let seed = 31;
  const pick = (list) => list[(seed = (seed * 16807) % 2147483647) % list.length];

  const records = [];
  for (let id = 0; id < 900; id++) {
    records.push({ id, city: pick(CITIES), kind: pick(KINDS), price: (id * 37) % 90, shipping: { days: id % 6 } });
  }
  function groupBy(items, keyOf) {
    const groups = {};
    for (const item of items) {
      const key = keyOf(item);
      (groups[key] ??= []).push(item);
    }
    return groups;
  }
  const report = Object.entries(groupBy(records, ({ city, kind }) => `${city}/${kind}`))
    .map(([key, group]) => ({
      key,
      count: group.length,
      revenue: group.reduce((sum, { price, shipping: { days = 0 } }) => sum + price - days, 0),
      get average() { return this.revenue / this.count; },
    }))
    .sort((a, b) => b.revenue - a.revenue || (a.key < b.key ? -1 : 1));

  let edits = 0;
  const inventory = Object.create(null);
  for (const { id, kind, ...rest } of records) {
    const slot = kind + (id % 50);
    inventory[slot] = { ...inventory[slot], ...rest, [`seen${id % 4}`]: true };
    if (id % 9 === 0) delete inventory[slot];
    if (slot in inventory && Object.hasOwn(inventory[slot], "seen2")) edits++;
    edits += Object.keys(inventory[slot] ?? {}).length;
  }
  for (const key in inventory) edits += inventory[key].shipping?.days ?? 100;

  const defaults = Object.freeze({ depth: 1, colour: "red", nested: { on: false } });
  const settings = Object.assign({}, defaults, { depth: 4 }, Object.fromEntries([["size", 9], ["colour", "blue"]]));
  Object.defineProperty(settings, "hidden", { value: 5, enumerable: false });
  edits += Object.values(settings).length + settings.hidden + (settings.nested === defaults.nested ? 1 : 0);

  const byCity = new Map(CITIES.map((city) => [city, new Set()])), visits = new Map(), notes = new WeakMap();
  for (const record of records) {
    byCity.get(record.city).add(record.price);
    visits.set(record, record.id % 3);
    if (record.price > 50) notes.set(record, { rank: record.price - 50 });
  }
  let ranks = 0;
  for (const [record, times] of visits) {
    ranks += times * (notes.get(record)?.rank ?? 1);
    if (notes.has(record) && record.id % 2) visits.delete(record);
  }
  const shared = [...byCity.get("Oslo")].filter((price) => byCity.get("Lima").has(price));
  byCity.forEach((prices, city) => { ranks += prices.size * city.length; });

  const result = `${report[0].key} ${report[3].average.toFixed(3)} ${edits} ${visits.size} ${shared.length} ${ranks}`;
  if (result !== "Cairo/book 39.380 4355 700 68 10423") throw new Error(`objects: got ${result}`);
})();
