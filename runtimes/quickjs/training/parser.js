// Parsing: a tokeniser, a recursive-descent parser with operator precedence, and an evaluator that walks the tree.
(function main() {
  const SOURCE = "let n = 0; let s = 1; while (n < 150) { s = (s * 3 + n) % 1009; if (s > 500) { s = s - n / 2 * (1 + 1); } n = n + 1; } s + n * 2;";
  const PRECEDENCE = { "<": 1, ">": 1, "+": 2, "-": 2, "*": 3, "/": 3, "%": 3 };

  function tokenise(text) {
    const tokens = [];
    for (let i = 0; i < text.length; ) {
      const char = text[i];
      let end = i + 1;
      if (char === " ") { i++; continue; }
      const type = char >= "0" && char <= "9" ? "number" : /[a-z]/i.test(char) ? "word" : "mark";
      while (type !== "mark" && end < text.length && /\w/.test(text[end])) end++;
      const value = text.slice(i, end);
      tokens.push({ type, value: type === "number" ? Number(value) : value });
      i = end;
    }
    return tokens;
  }
  class Parser {
    constructor(tokens) { this.tokens = tokens; this.at = 0; }
    get done() { return this.at >= this.tokens.length; }
    peek(value) { return !this.done && this.tokens[this.at].value === value; }
    accept(value) { return this.peek(value) ? this.tokens[this.at++] : null; }
    expect(value) { if (!this.accept(value)) throw new SyntaxError(`expected ${value} at ${this.at}`); }
    block(end) { const body = []; while (end ? !this.accept(end) : !this.done) body.push(this.statement()); return body; }
    statement() {
      const word = this.accept("while") ?? this.accept("if");
      if (word) { const test = this.expression(); this.expect("{"); return { kind: word.value, test, body: this.block("}") }; }
      const declares = this.accept("let"), left = this.expression();
      const node = declares || this.peek("=") ? (this.expect("="), { kind: "set", name: left.name, value: this.expression() }) : left;
      this.expect(";");
      return node;
    }
    expression(least = 1) {
      let left = this.atom();
      while (!this.done && PRECEDENCE[this.tokens[this.at].value] >= least) {
        const { value: operator } = this.tokens[this.at++];
        left = { kind: "binary", operator, left, right: this.expression(PRECEDENCE[operator] + 1) };
      }
      return left;
    }
    atom() {
      if (this.accept("(")) { const inner = this.expression(); this.expect(")"); return inner; }
      const { type, value } = this.tokens[this.at++];
      return type === "number" ? { kind: "number", value } : { kind: "name", name: value };
    }
  }
  const APPLY = { "<": (a, b) => Number(a < b), ">": (a, b) => Number(a > b), "+": (a, b) => a + b, "-": (a, b) => a - b,
    "*": (a, b) => a * b, "/": (a, b) => Math.trunc(a / b), "%": (a, b) => a % b };
  function evaluate(node, scope) {
    switch (node.kind) {
      case "number": return node.value;
      case "name": return scope[node.name];
      case "set": return (scope[node.name] = evaluate(node.value, scope));
      case "binary": return APPLY[node.operator](evaluate(node.left, scope), evaluate(node.right, scope));
      case "if": return evaluate(node.test, scope) ? run(node.body, scope) : 0;
      case "while": while (evaluate(node.test, scope)) run(node.body, scope); return 0;
      default: throw new TypeError(node.kind);
    }
  }
  const run = (body, scope) => body.reduce((_, node) => evaluate(node, scope), 0);

  let result = 0;
  for (let round = 1; round <= 16; round++) {
    const program = new Parser(tokenise(SOURCE.replace("s = 1", `s = ${round}`))).block();
    result += run(program, {}) * round + program.length;
  }
  if (result !== 99139) throw new Error(`parser: got ${result}`);
})();
