// Classes: inheritance, super, private fields and methods, static members, accessors, instanceof; an event emitter.
(function main() {
  class Emitter {
    #handlers = new Map();
    on(event, handler) {
      if (!this.#handlers.has(event)) this.#handlers.set(event, []);
      this.#handlers.get(event).push(handler);
      return () => this.off(event, handler);
    }
    off(event, handler) { this.#handlers.set(event, (this.#handlers.get(event) ?? []).filter((each) => each !== handler)); }
    emit(event, ...details) {
      const handlers = this.#handlers.get(event) ?? [];
      for (const handler of handlers) handler.apply(this, details);
      return handlers.length > 0;
    }
  }
  class Shape extends Emitter {
    static #made = 0;
    static get made() { return Shape.#made; }
    static compare(a, b) { return a.area() - b.area(); }
    #x = 0; #y = 0;
    constructor(label = "shape") { super(); this.label = label; Shape.#made++; }
    get position() { return [this.#x, this.#y]; }
    set position([x, y]) {
      this.#x = this.#clamp(x);
      this.#y = this.#clamp(y);
      this.emit("move", this.#x, this.#y);
    }
    #clamp(value) { return value < 0 ? 0 : value > 100 ? 100 : value; }
    area() { return 0; }
    toString() { return `${this.label}:${this.area()}@${this.position.join("/")}`; }
  }
  class Rectangle extends Shape {
    constructor(width, height, label = "rectangle") { super(label); Object.assign(this, { width, height }); }
    area() { return this.width * this.height; }
    get [Symbol.toStringTag]() { return "Rectangle"; }
  }
  class Square extends Rectangle {
    static unit = new Square(1);
    constructor(side) { super(side, side, "square"); }
    toString() { return `[${super.toString()}]`; }
  }
  const Coloured = (Base) => class extends Base {
    colour = "green";
    describe() { return this.colour + this; }
  };
  class Tile extends Coloured(Square) {}

  let moves = 0, length = 0;
  const makers = [(n) => new Shape(), (n) => new Rectangle(n, 3), (n) => new Square(n % 12), (n) => new Tile(n % 7)];
  const shapes = Array.from({ length: 500 }, (_, n) => makers[n % makers.length](n));
  for (const [n, shape] of shapes.entries()) {
    const stop = shape.on("move", (x, y) => { moves += x - y; });
    shape.position = [n - 50, n % 130];
    shape.emit("unheard");
    if (n % 2) stop();
    shape.position = [n % 40, -n];
    length += `${shape}`.length + (shape instanceof Rectangle ? 1 : 0) + (shape.describe?.().length ?? 0);
  }
  shapes.sort(Shape.compare);
  const result = `${moves} ${length} ${Shape.made} ${shapes[400]} ${Object.prototype.toString.call(Square.unit)} ${shapes.at(-1).constructor.name}`;
  if (result !== "14800 10480 501 rectangle:303@21/0 [object Rectangle] Rectangle") throw new Error(`shapes: got ${result}`);
})();
