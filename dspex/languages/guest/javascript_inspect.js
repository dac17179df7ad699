// Values as text for people: what `console.log` and `util.inspect` show, in the manner of Node.
//
// It runs in the driver's realm on values of the program's, and reads them without running the
// program's code: properties by their descriptors, Proxies through what they stand for.
'use strict';

const LINE = 80;
const ITEMS_MAX = 100;
const STRING_MAX = 10_000;
const NODES_MAX = 20_000;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

class Inspector {
  constructor({ depth = 2, compact = false, hidden = false } = {}) {
    Object.assign(this, { depth: depth === null ? Infinity : depth, compact, hidden });
    this.around = [];
    this.circular = new Map();
    this.nodes = 0;
  }

  show(value, level) {
    switch (typeof value) {
      case 'string': return quoted(level === 0 && this.compact ? value : cutString(value));
      case 'number': return Object.is(value, -0) ? '-0' : String(value);
      case 'bigint': return `${value}n`;
      case 'symbol': return Symbol.prototype.toString.call(value);
      case 'object': if (value === null) return 'null'; break;
      case 'function': break;
      default: return String(value);
    }
    const target = proxyTarget(value);
    if (target !== undefined) return this.show(target, level);
    if (this.around.includes(value)) {
      if (!this.circular.has(value)) this.circular.set(value, this.circular.size + 1);
      return `[Circular *${this.circular.get(value)}]`;
    }
    this.nodes++;
    this.around.push(value);
    try {
      const text = this.object(value, level);
      const mark = this.circular.get(value);
      return mark === undefined ? text : `<ref *${mark}> ${text}`;
    } finally {
      this.around.pop();
    }
  }

  object(value, level) {
    const brand = brandOf(value);
    const name = classNameOf(value);
    const tag = ownTag(value);
    let head = prefix(name, brand, tag);
    let braces = ['{', '}'];
    let items = null;
    let names = Reflect.ownKeys(value);
    switch (brand) {
      case 'Array':
        braces = ['[', ']'];
        head = name === 'Array' ? '' : `${name ?? '[Array: null prototype]'}(${value.length}) `;
        names = names.filter((one) => typeof one === 'symbol' || (one !== 'length' && !isIndex(one)));
        items = () => this.elements(value, level);
        break;
      case 'Map':
        head = `${name ?? 'Map'}(${mapSize(value)}) `;
        items = () => this.entries(value, level);
        break;
      case 'Set':
        head = `${name ?? 'Set'}(${setSize(value)}) `;
        items = () => this.members(value, level);
        break;
      case 'Date': return this.base(dateText(value), value, names, level);
      case 'RegExp': return this.base(regExpText(value), value, names.filter((one) => one !== 'lastIndex'), level);
      case 'Error': return this.base(this.error(value), value, names.filter((one) => !ERROR_OWN.has(one)), level);
      case 'Function': return this.base(functionText(value, name), value, names.filter((one) => !FUNCTION_OWN.has(one)), level);
      case 'Promise': items = () => [this.settled(value, level)]; head = 'Promise '; break;
      case 'WeakMap':
      case 'WeakSet':
      case 'WeakRef': items = () => ['<items unknown>']; head = `${brand} `; break;
      case 'Number':
      case 'Boolean':
      case 'Symbol':
      case 'BigInt':
        return this.base(`[${brand}: ${this.show(boxed[brand].prototype.valueOf.call(value), level)}]`, value, names, level);
      case 'String':
        names = names.filter((one) => one !== 'length' && !isIndex(one));
        return this.base(`[String: ${quoted(String.prototype.valueOf.call(value))}]`, value, names, level);
      case 'ArrayBuffer':
      case 'SharedArrayBuffer': {
        const bytes = new Uint8Array(value);
        items = () => [`[Uint8Contents]: <${hexText(bytes)}>`, `byteLength: ${bytes.length}`];
        head = `${brand} `;
        break;
      }
      case 'DataView': items = () => [`byteLength: ${viewLength(value)}`]; head = 'DataView '; break;
      case 'Object': break;
      default: // a typed array
        braces = ['[', ']'];
        head = `${name ?? brand}(${typedLength(value)}) `;
        names = names.filter((one) => typeof one === 'symbol' || !isIndex(one));
        items = () => this.typed(value);
    }
    if (level > this.depth) return `[${head.replace(/\(\d+\) $/, '').trim() || (brand === 'Array' ? 'Array' : 'Object')}]`;
    if (this.nodes > NODES_MAX) return '[...]';
    const texts = [...(items ? items() : []), ...this.properties(value, names, level)];
    return joined(head, texts, braces, level, brand === 'Array' || brand.endsWith('Array'));
  }

  base(text, value, names, level) {
    const texts = level > this.depth ? [] : this.properties(value, names, level);
    return texts.length ? joined(`${text} `, texts, ['{', '}'], level, false).replace(/^ /, '') : text;
  }

  properties(value, names, level) {
    const texts = [];
    for (const name of names) {
      const found = Reflect.getOwnPropertyDescriptor(value, name);
      if (!found || (!found.enumerable && !this.hidden)) continue;
      const shown = typeof name === 'symbol' ? `[${Symbol.prototype.toString.call(name)}]` : IDENTIFIER.test(name) ? name : quoted(name);
      texts.push(`${found.enumerable ? shown : `[${shown}]`}: ${this.property(found, level)}`);
      if (this.nodes > NODES_MAX) break;
    }
    return texts;
  }

  property(found, level) {
    if (found.get) return found.set ? '[Getter/Setter]' : '[Getter]';
    if (found.set) return '[Setter]';
    return this.show(found.value, level + 1);
  }

  elements(value, level) {
    const texts = [];
    const count = value.length;
    let holes = 0;
    const flush = () => {
      if (holes) texts.push(`<${holes} empty item${holes > 1 ? 's' : ''}>`);
      holes = 0;
    };
    let i = 0;
    for (; i < count && texts.length < ITEMS_MAX; i++) {
      const found = Reflect.getOwnPropertyDescriptor(value, i);
      if (!found) {
        holes++;
        if (holes > 1000 && Object.keys(value).length === 0) { holes = count; i = count - 1; }
        continue;
      }
      flush();
      texts.push(this.property(found, level));
    }
    flush();
    if (count > i) texts.push(`... ${count - i} more item${count - i > 1 ? 's' : ''}`);
    return texts;
  }

  typed(value) {
    const count = typedLength(value);
    const texts = [];
    for (let i = 0; i < Math.min(count, ITEMS_MAX); i++) texts.push(this.show(value[i], 1));
    if (count > ITEMS_MAX) texts.push(`... ${count - ITEMS_MAX} more items`);
    return texts;
  }

  entries(value, level) {
    const texts = [];
    let left = 0;
    Map.prototype.forEach.call(value, (item, key) => {
      if (texts.length < ITEMS_MAX) texts.push(`${this.show(key, level + 1)} => ${this.show(item, level + 1)}`);
      else left++;
    });
    if (left) texts.push(`... ${left} more items`);
    return texts;
  }

  members(value, level) {
    const texts = [];
    let left = 0;
    Set.prototype.forEach.call(value, (item) => {
      if (texts.length < ITEMS_MAX) texts.push(this.show(item, level + 1));
      else left++;
    });
    if (left) texts.push(`... ${left} more items`);
    return texts;
  }

  settled(value, level) {
    const state = host.promiseState(value);
    if (state === '0') return '<pending>';
    const shown = this.show(host.promiseResult(value), level + 1);
    return state === '2' ? `<rejected> ${shown}` : shown;
  }

  error(value) {
    const { header, frames } = describeError(value);
    let text = frames ? `${header}\n${frames}` : `[${header}]`;
    const cause = Reflect.getOwnPropertyDescriptor(value, 'cause');
    if (cause && 'value' in cause) text += `\n  [cause]: ${this.show(cause.value, 1).replaceAll('\n', '\n  ')}`;
    const errors = Reflect.getOwnPropertyDescriptor(value, 'errors');
    if (errors && Array.isArray(errors.value)) text += `\n  [errors]: ${this.show(errors.value, 1).replaceAll('\n', '\n  ')}`;
    return text;
  }
}

const boxed = { Number, Boolean, Symbol, BigInt };
const ERROR_OWN = new Set(['stack', 'message', 'cause', 'errors', 'name']);
const FUNCTION_OWN = new Set(['length', 'name', 'prototype', 'arguments', 'caller']);
const mapSize = getter(Map.prototype, 'size');
const setSize = getter(Set.prototype, 'size');

const isIndex = (name) => typeof name === 'string' && /^\d+$/.test(name);
const cutString = (text) => (text.length > STRING_MAX ? text.slice(0, STRING_MAX) : text);
const dateText = (value) => {
  const time = Date.prototype.getTime.call(value);
  return Number.isNaN(time) ? 'Invalid Date' : new Date(time).toISOString();
};
const regExpSource = getter(RegExp.prototype, 'source');
const regExpFlags = ['d', 'g', 'i', 'm', 's', 'u', 'v', 'y'].map((flag, i) => [flag, getter(RegExp.prototype,
  ['hasIndices', 'global', 'ignoreCase', 'multiline', 'dotAll', 'unicode', 'unicodeSets', 'sticky'][i])]);
const regExpText = (value) => `/${regExpSource(value)}/${regExpFlags.map(([flag, has]) => (has(value) ? flag : '')).join('')}`;
const hexText = (bytes) => {
  const shown = Array.from(bytes.subarray(0, 50), (one) => one.toString(16).padStart(2, '0')).join(' ');
  return bytes.length > 50 ? `${shown} ... ${bytes.length - 50} more bytes` : shown;
};

const quoted = (text) => {
  const quote = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes('`') ? '`' : "'";
  const escaped = text.replace(/[\\\u0000-\u001f\u007f-\u009f]|[\ud800-\udfff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (one) => (
    ESCAPES[one] ?? (one < '\x80' ? `\\x${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
      : `\\u${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`)));
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
};
const ESCAPES = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f', '\v': '\\v' };

const ownTag = (value) => {
  for (let at = value; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Reflect.getOwnPropertyDescriptor(at, Symbol.toStringTag);
    if (found) return typeof found.value === 'string' ? found.value : '';
  }
  return '';
};

const prefix = (name, brand, tag) => {
  const shown = name === null ? `[${brand}: null prototype] ` : name === 'Object' && brand === 'Object' ? '' : `${name} `;
  return tag && tag !== name ? `${shown || 'Object '}[${tag}] ` : shown;
};

const functionSource = (value) => Function.prototype.toString.call(value);
const functionText = (value, name) => {
  const own = Reflect.getOwnPropertyDescriptor(value, 'name');
  const called = own && typeof own.value === 'string' && own.value ? own.value : '';
  if (/^class\b/.test(functionSource(value))) {
    const parent = Object.getPrototypeOf(value);
    const above = typeof parent === 'function' ? Reflect.getOwnPropertyDescriptor(parent, 'name')?.value : '';
    return `[class ${called || '(anonymous)'}${above ? ` extends ${above}` : ''}]`;
  }
  const kind = { AsyncFunction: 'AsyncFunction', GeneratorFunction: 'GeneratorFunction', AsyncGeneratorFunction: 'AsyncGeneratorFunction' }[name] ?? 'Function';
  return called ? `[${kind}: ${called}]` : `[${kind} (anonymous)]`;
};

const joined = (head, texts, braces, level, list) => {
  if (texts.length === 0) return `${head}${braces[0]}${braces[1]}`;
  const total = texts.reduce((sum, one) => sum + one.length + 2, 0) + head.length;
  const flat = texts.every((one) => !one.includes('\n'));
  if (flat && total + 2 * level <= 72 && (!list || texts.length <= 6)) return `${head}${braces[0]} ${texts.join(', ')} ${braces[1]}`;
  const indent = '  '.repeat(level + 1);
  const lines = list && flat && texts.length > 6 ? inColumns(texts) : texts.map((one) => one);
  if (flat && lines.length === 1 && lines[0].length + head.length + 2 * level <= 72) return `${head}${braces[0]} ${lines[0]} ${braces[1]}`;
  return `${head}${braces[0]}\n${indent}${lines.join(`,\n${indent}`)}\n${'  '.repeat(level)}${braces[1]}`;
};

// Many short items in rows of equal columns, numbers to the right.
const inColumns = (texts) => {
  const more = /^\.\.\. /.test(texts.at(-1)) ? [texts.pop()] : [];
  const widest = Math.max(...texts.map((one) => one.length)) + 2;
  const total = texts.reduce((sum, one) => sum + one.length + 2, 0);
  if (widest * 3 >= LINE || !(total / widest > 5 || widest <= 6)) return [...texts, ...more];
  const narrow = Math.max(widest - 3 - Math.sqrt(widest - total / texts.length), 1);
  const columns = Math.min(Math.round(Math.sqrt(2.5 * narrow * texts.length) / narrow), Math.floor(LINE / widest), 12);
  if (columns <= 1) return [...texts, ...more];
  const numeric = texts.every((one) => /^-?[\d.]/.test(one));
  const widths = [];
  for (let c = 0; c < columns; c++) {
    let width = 0;
    for (let i = c; i < texts.length; i += columns) width = Math.max(width, texts[i].length);
    widths.push(width + 2);
  }
  const lines = [];
  for (let i = 0; i < texts.length; i += columns) {
    const row = texts.slice(i, i + columns);
    lines.push(row.map((one, c) => {
      const last = c === row.length - 1;
      if (numeric) return `${one}${last ? '' : ', '}`.padStart(widths[c] - (last ? 2 : 0));
      return last ? one : `${one}, `.padEnd(widths[c]);
    }).join(''));
  }
  return [...lines, ...more];
};

const inspect = (value, options) => new Inspector(options).show(value, 0);
const inspectForText = (value) => inspect(value, { depth: 2 });

// What the arguments of one `console.log` look like, with its format directives.
const formatted = (values) => {
  if (values.length === 0) return '';
  let pieces = [];
  let at = 0;
  if (typeof values[0] === 'string' && values.length > 1 && values[0].includes('%')) {
    at = 1;
    pieces = [values[0].replace(/%[sdifjoOc%]/g, (mark) => {
      if (mark === '%%') return '%';
      if (at >= values.length) return mark;
      const value = values[at++];
      switch (mark) {
        case '%s': return typeof value === 'string' ? value : typeof value === 'object' && value !== null ? inspect(value, { depth: 0 }) : inspect(value);
        case '%d': return typeof value === 'bigint' ? `${value}n` : typeof value === 'object' || typeof value === 'symbol' ? 'NaN' : inspect(Number(value));
        case '%i': return typeof value === 'bigint' ? `${value}n` : typeof value === 'object' || typeof value === 'symbol' ? 'NaN' : inspect(parseInt(value, 10));
        case '%f': return typeof value === 'symbol' || typeof value === 'object' ? 'NaN' : inspect(parseFloat(value));
        case '%j': return encodeJsonText(value);
        case '%o': return inspect(value, { depth: 4, hidden: false });
        case '%O': return inspect(value, { depth: null });
        default: return '';
      }
    })];
  }
  for (; at < values.length; at++) pieces.push(typeof values[at] === 'string' ? values[at] : inspect(values[at]));
  return pieces.join(' ');
};
const encodeJsonText = (value) => {
  try {
    return JSON.stringify(value) ?? 'undefined';
  } catch {
    return '[Circular]';
  }
};
