// The guest's half of the value codec: what a program may hand back, and what it is handed.
//
// It runs inside the sandbox, in a realm of its own that programs cannot reach, and reads values of
// the program's realm (`guest`). `dspex.values` is the other half and trusts nothing that this one
// writes; the format, and what becomes of which type, is in docs/reference/values.md and
// docs/reference/javascript.md.
'use strict';

const INT_PLAIN_MAX = 2 ** 53;
const CONTAINER_BYTES = 16;
const TEXT_CHARS_MAX = 10_000;
const NOTES_MAX = 20;
const RANGE_MAX = 10_000_000;
const DAY_MS = 86_400_000;

class OverLimit extends Error {
  constructor(limit, allowed, spent) {
    super(`${limit}: ${spent} spent of ${allowed}`);
    Object.assign(this, { limit, allowed, spent });
  }
}

class CannotCross extends Error {}

// Held since before any program began.
const guestObjectPrototype = guest.Object.prototype;

const getter = (prototype, name) => {
  const { get } = Object.getOwnPropertyDescriptor(prototype, name);
  return (value) => Reflect.apply(get, value, []);
};
const typedTag = getter(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const brandChecks = [
  ['Map', getter(Map.prototype, 'size')],
  ['Set', getter(Set.prototype, 'size')],
  ['Date', (value) => Date.prototype.getTime.call(value)],
  ['ArrayBuffer', getter(ArrayBuffer.prototype, 'byteLength')],
  ['SharedArrayBuffer', getter(SharedArrayBuffer.prototype, 'byteLength')],
  ['DataView', getter(DataView.prototype, 'byteLength')],
  ['RegExp', getter(RegExp.prototype, 'source')],
  ['WeakMap', (value) => WeakMap.prototype.has.call(value, null)],
  ['WeakSet', (value) => WeakSet.prototype.has.call(value, null)],
  ['WeakRef', (value) => WeakRef.prototype.deref.call(value)],
  ['Number', (value) => Number.prototype.valueOf.call(value)],
  ['String', (value) => String.prototype.valueOf.call(value)],
  ['Boolean', (value) => Boolean.prototype.valueOf.call(value)],
  ['BigInt', (value) => BigInt.prototype.valueOf.call(value)],
  ['Symbol', (value) => Symbol.prototype.valueOf.call(value)],
];

// What kind of object it really is, whatever it says of itself: the name of a built-in class, or
// 'Object'. Proxies are objects; looking at one may run the program's code, and throw.
const brandOf = (value) => {
  if (typeof value === 'function') return 'Function';
  if (Array.isArray(value)) return 'Array';
  const prototype = Object.getPrototypeOf(value);
  return prototype === guestObjectPrototype || prototype === null ? plainBrand(value) : anyBrand(value);
};
// An object that is none of a built-in class, as nearly all with this prototype are; a class may have
// been given it, though, so only a cheap look decides.
const plainBrand = (value) => (typedTag(value) === undefined && !Error.isError(value) ? 'Object' : anyBrand(value));

const anyBrand = (value) => {
  const typed = typedTag(value);
  if (typed !== undefined) return typed;
  if (Error.isError(value)) return 'Error';
  for (let i = 0; i < brandChecks.length; i++) {
    try {
      brandChecks[i][1](value);
      return brandChecks[i][0];
    } catch { /* it is not that */ }
  }
  if (host.promiseState(value) !== undefined) return 'Promise';
  return 'Object';
};

// Text whose surrogates come in pairs: a report is UTF-8.
const wellFormed = (text) => (text.isWellFormed() ? text
  : text.replace(/[\ud800-\udfff]/gu, (one) => `\\u${one.charCodeAt(0).toString(16)}`));

const binaryText = (bytes) => {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 8192) {
    pieces.push(String.fromCharCode.apply(null, bytes.subarray(at, at + 8192)));
  }
  return pieces.join('');
};
const toBase64 = (bytes) => btoa(binaryText(bytes));
const fromBase64 = (text) => {
  const binary = atob(text);
  const bytes = new guest.Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
};

// UTF-8 in which a surrogate may stand alone, as Python's "surrogatepass" writes it.
const wtf8 = (text) => {
  const bytes = [];
  for (const one of text) {
    const code = one.codePointAt(0);
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return new Uint8Array(bytes);
};
const fromWtf8 = (bytes) => {
  const pieces = [];
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i++];
    let code = lead;
    const more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (more) code = lead & (0x3f >> more);
    for (let n = 0; n < more; n++) code = (code << 6) | (bytes[i++] & 63);
    pieces.push(String.fromCodePoint(code));
  }
  return pieces.join('');
};

class Writer {
  constructor(bytesMax, depthMax) {
    Object.assign(this, { bytesMax, depthMax, room: bytesMax, containers: 0, leftOut: 0 });
    this.path = [];
    this.notes = [];
    this.around = new Set();
    this.out = [];
  }

  spend(count) {
    this.room -= count;
    if (this.room < 0) throw new OverLimit('value_bytes', this.bytesMax, this.bytesMax - this.room);
  }

  enter(depth) {
    if (depth >= this.depthMax) throw new OverLimit('value_depth', this.depthMax, depth + 1);
    this.containers++;
    this.spend(CONTAINER_BYTES);
  }

  put(text) {
    this.spend(text.length);
    this.out.push(text);
  }

  visit(value, depth) {
    switch (typeof value) {
      case 'undefined': return this.put('null');
      case 'boolean': return this.put(value ? 'true' : 'false');
      case 'number': return this.put(numberText(value));
      case 'string': return this.string(value);
      case 'bigint': return this.put(bigintText(value, this));
      case 'object': if (value === null) return this.put('null');
    }
    return this.guarded(value, depth);
  }

  string(value) {
    if (value.isWellFormed()) return this.put(JSON.stringify(value));
    this.containers += 2;
    return this.put(`{"$":["str","${toBase64(wtf8(value))}"]}`);
  }

  guarded(value, depth) {
    const { length } = this.out;
    const { room, containers } = this;
    try {
      if (typeof value === 'function' || typeof value === 'symbol') throw new CannotCross('cannot cross');
      if (this.around.has(value)) throw new CannotCross('contains itself');
      this.around.add(value);
      try {
        this.object(value, depth);
      } finally {
        this.around.delete(value);
      }
    } catch (error) {
      if (error instanceof OverLimit || isExhaustion(error)) throw error;
      this.out.length = length;
      this.path.length = depth;
      Object.assign(this, { room, containers });
      this.asText(value, error instanceof CannotCross ? error.message
        : `cannot cross, reading it raised ${describeThrown(error)}`);
    }
  }

  object(value, depth) {
    const brand = brandOf(value);
    switch (brand) {
      case 'Object': return this.fields(value, depth);
      case 'Array': return this.elements(value, depth);
      case 'Map': return this.map(value, depth);
      case 'Set': return this.set(value, depth);
      case 'Date': return this.date(value);
      case 'ArrayBuffer':
      case 'SharedArrayBuffer': return this.bytes(new Uint8Array(value));
      case 'DataView': return this.bytes(new Uint8Array(viewBuffer(value), viewOffset(value), viewLength(value)));
      case 'Uint8Array':
      case 'Uint8ClampedArray': return this.bytes(new Uint8Array(typedBuffer(value), typedOffset(value), typedLength(value)));
      case 'Number': return this.visit(Number.prototype.valueOf.call(value), depth);
      case 'String': return this.string(String.prototype.valueOf.call(value));
      case 'Boolean': return this.visit(Boolean.prototype.valueOf.call(value), depth);
      case 'BigInt': return this.visit(BigInt.prototype.valueOf.call(value), depth);
    }
    if (brand.endsWith('Array')) return this.numbers(value, brand, depth);
    throw new CannotCross('cannot cross');
  }

  bytes(view) {
    this.containers += 2;
    this.spend(view.length * 4 / 3);
    this.out.push(`{"$":["bytes","${toBase64(view)}"]}`);
  }

  numbers(value, brand, depth) {
    this.enter(depth);
    const float = brand.startsWith('Float');
    const count = typedLength(value);
    this.spend(2 * count);
    const texts = new Array(count);
    for (let i = 0; i < count; i++) {
      texts[i] = float ? floatText(value[i]) : typeof value[i] === 'bigint' ? bigintText(value[i], this) : String(value[i]);
    }
    this.put(`[${texts.join(',')}]`);
  }

  elements(value, depth) {
    this.enter(depth);
    const count = value.length;
    this.spend(2 * count);
    this.path.push(0);
    this.out.push('[');
    for (let i = 0; i < count; i++) {
      this.path[depth] = i;
      if (i) this.out.push(',');
      this.visit(value[i], depth + 1);
    }
    this.out.push(']');
    this.path.pop();
  }

  // The own enumerable properties with names of text, as JSON.stringify takes them.
  fields(value, depth) {
    this.enter(depth);
    const names = Object.keys(value);
    const pairs = names.includes('$') || names.some((name) => !name.isWellFormed());
    if (pairs) this.containers += 2 + names.length;
    this.path.push('');
    this.out.push(pairs ? '{"$":["dict",[' : '{');
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      this.path[depth] = name;
      if (i) this.out.push(',');
      if (pairs) {
        this.out.push('[');
        this.string(name);
        this.out.push(',');
      } else this.put(`${JSON.stringify(name)}:`);
      this.field(value, name, depth + 1);
      if (pairs) this.out.push(']');
    }
    this.out.push(pairs ? ']]}' : '}');
    this.path.pop();
  }

  // A getter is the program's code: what it throws concerns this property only.
  field(value, name, depth) {
    let found;
    try {
      found = value[name];
    } catch (error) {
      if (isExhaustion(error)) throw error;
      return this.note(`<getter raised ${describeThrown(error)}>`, 'a property', 'cannot be read', 'this is given instead');
    }
    return this.visit(found, depth);
  }

  map(value, depth) {
    this.enter(depth);
    const entries = [];
    Map.prototype.forEach.call(value, (item, key) => entries.push([key, item]));
    this.containers += 2 + entries.length;
    const plain = entries.every(([key]) => typeof key === 'string' && key !== '$' && key.isWellFormed());
    const seen = new Set();
    this.path.push('');
    this.out.push(plain ? '{' : '{"$":["dict",[');
    entries.forEach(([key, item], i) => {
      if (i) this.out.push(',');
      this.path[depth] = KEY;
      if (!plain) this.out.push('[');
      this.key(key, depth + 1, seen);
      this.path[depth] = typeof key === 'object' || typeof key === 'function' ? KEY : String(key);
      this.out.push(plain ? ':' : ',');
      this.visit(item, depth + 1);
      if (!plain) this.out.push(']');
    });
    this.out.push(plain ? '}' : ']]}');
    this.path.pop();
  }

  set(value, depth) {
    this.enter(depth);
    const items = [];
    Set.prototype.forEach.call(value, (item) => items.push(item));
    this.containers += 2;
    const hashable = items.every((item) => item === null || (typeof item !== 'object' && typeof item !== 'function'
      && typeof item !== 'symbol'));
    const seen = new Set();
    const twins = hashable && items.some((item) => {
      const mark = pythonEquality(item);
      return seen.has(mark) || !seen.add(mark);
    });
    const asSet = hashable && !twins;
    if (!asSet) this.addNote(`${placeOf(this.path)}: a Set of ${hashable ? 'values that are equal elsewhere' : 'objects'} crosses as a list`);
    this.path.push(ELEMENT);
    this.out.push(asSet ? '{"$":["set",[' : '[');
    items.forEach((item, i) => {
      if (i) this.out.push(',');
      this.visit(item, depth + 1);
    });
    this.out.push(asSet ? ']]}' : ']');
    this.path.pop();
  }

  // A key must be something that the host can hash, and no other key's equal there.
  key(key, depth, seen) {
    const mark = pythonEquality(key);
    if (mark === undefined || seen.has(mark)) {
      const text = wellFormed(inspectForText(key));
      seen.add(`s${text}`);
      return this.note(text, nameOf(key), mark === undefined ? 'cannot be a key' : 'is another key elsewhere', 'its text is given');
    }
    seen.add(mark);
    return this.visit(key, depth);
  }

  date(value) {
    const time = Date.prototype.getTime.call(value);
    if (!(time >= -62135596800000 && time < 253402300800000)) {
      throw new CannotCross(Number.isNaN(time) ? 'is invalid and cannot cross' : 'outside the years 1 to 9999 cannot cross');
    }
    const at = new Date(time);
    this.containers += 3;
    const fields = [
      at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(),
      at.getUTCSeconds(), at.getUTCMilliseconds() * 1000, 0,
    ];
    this.put(`{"$":["datetime",[${fields.join(',')},[null,null,0]]]}`);
  }

  asText(value, reason) {
    let text;
    let given = 'its text is given';
    const name = nameOf(value);
    try {
      text = wellFormed(inspectForText(value));
    } catch (error) {
      if (isExhaustion(error)) throw error;
      text = `<${name}>`;
      given = `reading it raised ${describeThrown(error)}`;
    }
    if (text.length > TEXT_CHARS_MAX) {
      given += `, cut to ${TEXT_CHARS_MAX} of ${text.length} characters`;
      text = wellFormed(`${text.slice(0, TEXT_CHARS_MAX - 1)}…`);
    }
    return this.note(text, name, reason, given);
  }

  note(text, name, reason, given) {
    this.addNote(wellFormed(`${placeOf(this.path)}: ${name} ${reason}, ${given}`));
    return this.put(JSON.stringify(text));
  }

  addNote(text) {
    if (this.notes.length < NOTES_MAX) this.notes.push(text);
    else this.leftOut++;
  }
}

const KEY = Symbol('key');
const ELEMENT = Symbol('element');
const [typedBuffer, typedOffset, typedLength] = ['buffer', 'byteOffset', 'length'].map(
  (name) => getter(Object.getPrototypeOf(Uint8Array.prototype), name),
);
const [viewBuffer, viewOffset, viewLength] = ['buffer', 'byteOffset', 'byteLength'].map(
  (name) => getter(DataView.prototype, name),
);

const numberText = (value) => {
  if (Number.isInteger(value) && Math.abs(value) <= INT_PLAIN_MAX && !Object.is(value, -0)) return String(value);
  return floatText(value);
};
const floatText = (value) => {
  if (Object.is(value, -0)) return '-0.0';
  if (!Number.isFinite(value)) return `{"$":["float","${Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'}"]}`;
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
};
const bigintText = (value, writer) => {
  if (value >= -(2n ** 53n) && value <= 2n ** 53n) return String(value);
  writer.containers += 2;
  return `{"$":["int","${value.toString(16)}"]}`;
};

// Equal for keys that Python holds for equal: 1, 1n and true are one key there. Undefined for what
// cannot be a key at all.
const pythonEquality = (key) => {
  switch (typeof key) {
    case 'string': return `s${key}`;
    case 'boolean': return key ? 'n1' : 'n0';
    case 'bigint': return `n${key}`;
    case 'number': return Number.isInteger(key) ? `n${BigInt(key)}` : `f${key}`;
    case 'undefined': return 'null';
    case 'object': return key === null ? 'null' : undefined;
  }
  return undefined;
};

const placeOf = (path) => `value${path.map((step) => (
  step === KEY ? '[key]' : step === ELEMENT ? '[element]' : typeof step === 'number' ? `[${step}]` : `['${step}']`)).join('')}`;

const nameOf = (value) => {
  if (value === null || typeof value !== 'object') return typeof value;
  try {
    const name = classNameOf(value);
    return name ? wellFormed(name.slice(0, 200)) : 'Object';
  } catch {
    return 'Object';
  }
};

// The name of an object's class, read without running the program's code (but for Proxies' traps).
const classNameOf = (value) => {
  for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, 'constructor');
    if (found && typeof found.value === 'function') {
      const name = Object.getOwnPropertyDescriptor(found.value, 'name');
      if (name && typeof name.value === 'string' && name.value) return name.value;
    }
  }
  return null;
};

const describeThrown = (error) => {
  const name = Error.isError(error) ? nameOf(error) : typeof error;
  return wellFormed(name);
};

// Whether an error says that the engine cannot go on: out of memory, or interrupted.
const isExhaustion = (error) => error instanceof InternalError
  || (Error.isError(error) && Object.getPrototypeOf(error) === guestInternalErrorPrototype);
const guestInternalErrorPrototype = guest.InternalError.prototype;

const encodeValue = (value, bytesMax, depthMax) => {
  const writer = new Writer(bytesMax, depthMax);
  writer.visit(value, 0);
  const text = writer.out.join('');
  const spent = Math.max(text.length, CONTAINER_BYTES * writer.containers);
  if (spent > bytesMax) throw new OverLimit('value_bytes', bytesMax, spent);
  const notes = writer.leftOut ? [...writer.notes, `${writer.leftOut} more did not cross`] : writer.notes;
  return { text, notes };
};

// Values of the host, as objects of the program's realm.
const guestParse = guest.JSON.parse;
const guestClasses = { ...Object.fromEntries(['Map', 'Set', 'Date', 'Array'].map((name) => [name, guest[name]])) };
const typedByDtype = {
  b1: null, i1: 'Int8Array', u1: 'Uint8Array', i2: 'Int16Array', u2: 'Uint16Array', i4: 'Int32Array', u4: 'Uint32Array',
  i8: 'BigInt64Array', u8: 'BigUint64Array', f2: 'Float16Array', f4: 'Float32Array', f8: 'Float64Array',
};
const guestTyped = Object.fromEntries(Object.values(typedByDtype).filter(Boolean).map((name) => [name, guest[name]]));


const decodeValue = (text) => {
  const tree = guestParse(text);
  return text.includes('"$"') ? revive(tree) : tree;
};

const revive = (tree) => {
  if (tree === null || typeof tree !== 'object') return tree;
  if (Array.isArray(tree)) {
    for (let i = 0; i < tree.length; i++) tree[i] = revive(tree[i]);
    return tree;
  }
  const names = Object.keys(tree);
  if (names.length === 1 && names[0] === '$') return untag(tree.$[0], tree.$[1]);
  for (const name of names) {
    Object.defineProperty(tree, name, { value: revive(tree[name]), writable: true, enumerable: true, configurable: true });
  }
  return tree;
};

const clockMs = ([hour, minute, second, micro]) => hour * 3_600_000 + minute * 60_000 + second * 1000 + Math.floor(micro / 1000);
const dayMs = ([year, month, day]) => {
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  return at.getTime();
};
const two = (number) => String(number).padStart(2, '0');

const untag = (tag, payload) => {
  switch (tag) {
    case 'int': return payload.startsWith('-') ? -BigInt(`0x${payload.slice(1)}`) : BigInt(`0x${payload}`);
    case 'float': return { nan: NaN, inf: Infinity, '-inf': -Infinity }[payload];
    case 'str': return fromWtf8(fromBase64(payload));
    case 'bytes':
    case 'bytearray': return fromBase64(payload);
    case 'tuple': return revive(payload);
    case 'set':
    case 'frozenset': return fillSet(revive(payload));
    case 'dict': return fillMap(payload);
    case 'range': return listRange(payload.map(revive));
    case 'date': return Reflect.construct(guestClasses.Date, [dayMs(payload)]);
    case 'datetime': {
      const offset = payload[8] === null || payload[8][2] === null ? 0 : payload[8][2] / 1000;
      return Reflect.construct(guestClasses.Date, [dayMs(payload) + clockMs(payload.slice(3)) - offset]);
    }
    case 'time': {
      const micros = payload[3] ? `.${String(payload[3]).padStart(6, '0')}` : '';
      return `${two(payload[0])}:${two(payload[1])}:${two(payload[2])}${micros}`;
    }
    case 'timedelta': return payload[0] * DAY_MS + payload[1] * 1000 + payload[2] / 1000;
    case 'decimal': return payload;
    case 'fraction': return payload.map((part) => (part.startsWith('-') ? -BigInt(`0x${part.slice(1)}`) : BigInt(`0x${part}`))).join('/');
    case 'uuid': return payload.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    case 'ndarray': return makeArray(...payload);
    case 'npscalar': return makeScalar(...payload);
    case 'complex': throw new CannotCross('a complex number cannot cross into JavaScript');
  }
  throw new CannotCross(`a value of the type ${tag} cannot cross into JavaScript`);
};

const fillSet = (items) => {
  const made = Reflect.construct(guestClasses.Set, []);
  for (let i = 0; i < items.length; i++) Set.prototype.add.call(made, items[i]);
  return made;
};
const fillMap = (pairs) => {
  // A dict has this form for its keys' sake; if it is only for a name like `$`, it is an object.
  if (pairs.every(([key]) => typeof key === 'string')) {
    const made = guestParse('{}');
    for (const [key, item] of pairs) {
      Object.defineProperty(made, key, { value: revive(item), writable: true, enumerable: true, configurable: true });
    }
    return made;
  }
  const made = Reflect.construct(guestClasses.Map, []);
  for (let i = 0; i < pairs.length; i++) Map.prototype.set.call(made, revive(pairs[i][0]), revive(pairs[i][1]));
  return made;
};
const listRange = ([start, stop, step]) => {
  const count = Math.max(0, Math.ceil(Number(stop - start) / Number(step)));
  if (typeof start === 'bigint' || typeof stop === 'bigint' || typeof step === 'bigint' || count > RANGE_MAX) {
    throw new CannotCross(`a range of more than ${RANGE_MAX} numbers cannot cross into JavaScript`);
  }
  const made = guestParse('[]');
  for (let i = 0; i < count; i++) made[i] = start + i * step;
  return made;
};

const dtypeParts = (dtype) => {
  const [, order, kind] = /^([<>|=]?)(.+)$/.exec(dtype);
  if (!(kind in typedByDtype)) throw new CannotCross(`an array of ${dtype} cannot cross into JavaScript`);
  return [order, kind];
};
const makeArray = (dtype, shape, data) => {
  const [order, kind] = dtypeParts(dtype);
  const bytes = fromBase64(data);
  const size = Number(kind[1]);
  if (order === '>' && size > 1) for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
  const typed = typedByDtype[kind];
  const flat = typed === null ? guestParse(`[${Array.from(bytes, (one) => (one ? 'true' : 'false')).join()}]`)
    : Reflect.construct(guestTyped[typed], [bytes.buffer]);
  const nest = (level, at) => {
    if (level >= shape.length - 1) {
      const count = shape.length ? shape[level] : 1;
      return shape.length === 0 ? flat[0] : shape.length === 1 ? flat
        : typed === null ? Array.prototype.slice.call(flat, at, at + count) : flat.slice(at, at + count);
    }
    const step = shape.slice(level + 1).reduce((product, one) => product * one, 1);
    const made = guestParse('[]');
    for (let i = 0; i < shape[level]; i++) made[i] = nest(level + 1, at + i * step);
    return made;
  };
  return nest(0, 0);
};
const makeScalar = (dtype, data) => {
  const value = makeArray(dtype, [], data);
  return typeof value === 'bigint' && value >= -(2n ** 53n) && value <= 2n ** 53n ? Number(value) : value;
};
