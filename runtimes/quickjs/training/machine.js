// Stack machine: an assembler with labels, a switch-driven loop over opcodes, call frames; infix to postfix by shunting-yard.
(function main() {
  const PROGRAM = `
    start:  push 0, store total, push 120, store n
    loop:   load n, unless end, load n, call weigh, load total, add, store total
            load n, push 1, subtract, store n, jump loop
    end:    load total, halt
    weigh:  store x, load x, load x, multiply, push 7, modulo, load x, push 3, modulo, add, return`;

  function assemble(text) {
    const code = [], labels = new Map();
    for (const line of text.trim().split("\n")) {
      const [, label, rest] = line.trim().match(/^(?:(\w+):)?\s*(.*)$/);
      if (label) labels.set(label, code.length);
      for (const part of rest.split(", ")) {
        const [operation, operand] = part.split(" ");
        code.push({ operation, operand: operand !== undefined && !isNaN(operand) ? +operand : operand });
      }
    }
    return code.map(({ operation, operand }) => ({ operation, operand: labels.get(operand) ?? operand }));
  }
  function execute(code) {
    const stack = [], frames = [], memory = {};
    for (let pc = 0, steps = 0; ; steps++) {
      const { operation, operand } = code[pc++];
      switch (operation) {
        case "push": stack.push(operand); break;
        case "load": stack.push(memory[operand]); break;
        case "store": memory[operand] = stack.pop(); break;
        case "jump": pc = operand; break;
        case "unless": if (stack.pop() === 0) pc = operand; break;
        case "call": frames.push(pc); pc = operand; break;
        case "return": pc = frames.pop(); break;
        case "halt": return { value: stack.pop(), steps };
        default: {
          const right = stack.pop(), left = stack.pop();
          if (operation === "add") stack.push(left + right);
          else if (operation === "subtract") stack.push(left - right);
          else if (operation === "multiply") stack.push(left * right);
          else if (operation === "modulo") stack.push(left % right);
          else throw new RangeError(`unknown operation ${operation}`);
        }
      }
    }
  }
  const RANK = new Map([["+", 1], ["-", 1], ["*", 2], ["%", 2]]), NAMES = { "+": "add", "-": "subtract", "*": "multiply", "%": "modulo" };
  function toPostfix(formula) {
    const output = [], waiting = [], emit = () => output.push(NAMES[waiting.pop()]);
    for (const token of formula.match(/\d+|[-+*%()]/g)) {
      if (token === "(") waiting.push(token);
      else if (token === ")") { while (waiting.at(-1) !== "(") emit(); waiting.pop(); }
      else if (!RANK.has(token)) output.push(`push ${token}`);
      else { while (RANK.get(waiting.at(-1)) >= RANK.get(token)) emit(); waiting.push(token); }
    }
    while (waiting.length) emit();
    return [...output, "halt"].join(", ");
  }
  let result = 0;
  for (let i = 1; i <= 40; i++) result += execute(assemble(toPostfix(`(${i} + 4) * (7 - ${i} % 5) - 2 * (3 + (${i} - 1) * 2)`))).value;
  for (let i = 1; i <= 12; i++) { const { value, steps } = execute(assemble(PROGRAM.replace("120", 20 * i))); result += value + steps; }
  if (result !== 42203) throw new Error(`machine: got ${result}`);
})();
