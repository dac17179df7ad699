// Exceptions and JSON: try/catch/finally, custom errors with causes, validation, stringify and parse with replacers, cloning.
(function main() {
  class ValidationError extends Error {
    constructor(field, message, options) {
      super(`${field}: ${message}`, options);
      this.name = "ValidationError";
      this.field = field;
    }
  }
  class RangeProblem extends ValidationError {}

  function validate(user) {
    if (typeof user.name !== "string" || user.name === "") throw new ValidationError("name", "is missing");
    if (!(user.age >= 0 && user.age < 120)) throw new RangeProblem("age", `${user.age} is out of range`);
    return user.contact.email.length; // a TypeError where there is no contact
  }
  const tally = {}, log = [];
  const count = (what) => { tally[what] = (tally[what] ?? 0) + 1; };

  function attempt(text) {
    try {
      return validate(JSON.parse(text));
    } catch (error) {
      if (error instanceof RangeProblem) count("range");
      else if (error instanceof ValidationError) count(error.field);
      else if (error instanceof SyntaxError) count("syntax");
      else throw new Error("unexpected", { cause: error });
      return -1;
    } finally {
      log.push(text.length);
    }
  }
  function makeUser(i) {
    const user = { name: i % 7 ? `user "${i}"\n` : "", age: i % 140, tags: ["ä", "b\t", null, i / 8], active: i % 2 === 0 };
    if (i % 5) user.contact = { email: `u${i}@example.org`, phones: [{ kind: "home", digits: [1, 2, i] }] };
    return user;
  }

  let total = 0;
  for (let i = 0; i < 300; i++) {
    const text = JSON.stringify(makeUser(i));
    try {
      total += attempt(i % 11 === 0 ? text.slice(0, -3) : text);
    } catch ({ message, cause }) {
      count(message + (cause instanceof TypeError ? " type" : ""));
    }
  }

  const clone = (value) => JSON.parse(JSON.stringify(value));
  class Money {
    constructor(cents) { this.cents = cents; }
    toJSON() { return { $money: (this.cents / 100).toFixed(2) }; }
  }
  const revive = (key, value) => (value && value.$money !== undefined ? new Money(Math.round(value.$money * 100)) : value);
  for (let i = 0; i < 40; i++) {
    const order = { total: new Money(i * 125), skip: undefined, secret: "x", lines: [[i, -1.5e-7], [true, 1e21]], user: clone(makeUser(i)) };
    const pretty = JSON.stringify(order, (key, value) => (key === "secret" ? undefined : value), 2);
    const back = JSON.parse(pretty, revive);
    total += pretty.length + back.total.cents + Object.keys(back).length + JSON.stringify(order, ["lines", "user", "age"]).length;
  }
  const result = `${total} ${log.length} ${JSON.stringify(tally)}`;
  if (result !== "120043 300 {\"syntax\":28,\"unexpected type\":39,\"name\":39,\"range\":32}") throw new Error(`errors_json: got ${result}`);
})();
