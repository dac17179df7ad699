// The guest's half of a turn: take a request, keep timers and tools, report how the program ended.
//
// It runs inside the sandbox, in a realm of its own: no prototype that a program changes is used
// here. The host calls the functions of `turn` and nothing else, and believes nothing that they say.
// Values are `javascript_values.js`'s, text for people `javascript_inspect.js`'s, and what programs
// see is made in `javascript_library.js`, in their own realm.
'use strict';

const MESSAGE_CHARS_MAX = 64 * 1024;
const OUTPUT_CHARS = 8192;
const DRIVER = 'dspex:';

let run = { stream: true, args: [], env: {}, filename: 'main.js', value_bytes: 0, value_depth: 0, host_calls: 0 };
let buffered = [];
let bufferedChars = 0;
let began = 0;
let wallOrigin = 0;

// Output.

const flush = () => {
  if (!bufferedChars) return;
  const text = buffered.join('');
  buffered = [];
  bufferedChars = 0;
  host.stdout(text);
};
const write = (stream, text) => {
  if (stream === 2) {
    flush();
    host.stderr(text);
    return;
  }
  buffered.push(text);
  bufferedChars += text.length;
  if (run.stream || bufferedChars > OUTPUT_CHARS) flush();
};
const cut = (text) => {
  if (text.length <= MESSAGE_CHARS_MAX) return text;
  const half = MESSAGE_CHARS_MAX / 2;
  return `${text.slice(0, half)}\n[... ${text.length - 2 * half} characters left out ...]\n${text.slice(-half)}`;
};

// Errors.

const guestErrors = {};
for (const name of ['Error', 'TypeError', 'RangeError', 'SyntaxError', 'ReferenceError', 'EvalError', 'URIError', 'InternalError',
  'DOMException']) guestErrors[name] = guest[name];
const guestError = (kind, message, extra = {}) => {
  const made = Reflect.construct(guestErrors[kind] ?? guestErrors.Error, kind === 'DOMException' ? [message, extra.name] : [message]);
  if (!(kind in guestErrors)) Object.defineProperty(made, 'name', { value: kind, writable: true, configurable: true });
  if (kind !== 'DOMException') {
    for (const name of Object.keys(extra)) Object.defineProperty(made, name, { value: extra[name], writable: true, configurable: true, enumerable: true });
  }
  return made;
};
// What is thrown in this realm, as an error of the program's.
const convert = (error) => {
  if (error instanceof Error || error instanceof InternalError) return guestError(error.constructor.name, error.message);
  return error;
};

const read = (value, name) => {
  try {
    const found = value[name];
    return typeof found === 'string' ? found : undefined;
  } catch (error) {
    if (isExhaustion(error)) throw error;
    return undefined;
  }
};

const proxyTarget = (value) => host.proxyTarget(value);

// Type, message, first line and frames of anything that was thrown.
const describeError = (thrown) => {
  let isError = false;
  try {
    isError = thrown !== null && typeof thrown === 'object' && Error.isError(thrown);
  } catch { /* a revoked Proxy */ }
  if (!isError) {
    const text = textOf(thrown);
    return { type: 'Thrown', message: text, header: `Uncaught ${text}`, frames: '' };
  }
  const name = read(thrown, 'name');
  let type = name;
  if (!name || name === 'Error') type = safeClassName(thrown) ?? name ?? 'Error';
  const message = read(thrown, 'message') ?? '';
  return { type, message, header: message ? `${type}: ${message}` : type, frames: framesOf(read(thrown, 'stack') ?? '') };
};
const safeClassName = (value) => {
  try {
    return classNameOf(value);
  } catch {
    return null;
  }
};
const textOf = (value) => {
  try {
    return inspectForText(value);
  } catch (error) {
    if (isExhaustion(error)) throw error;
    return `<${typeof value}>`;
  }
};
// The program's own frames: what the driver called, and the driver itself, is left out.
const framesOf = (stack) => {
  const kept = [];
  let natives = [];
  for (const line of stack.split('\n')) {
    if (!line.startsWith('    at ')) continue;
    if (line.includes(DRIVER)) natives = [];
    else {
      natives.push(line);
      if (line.endsWith('(native)')) continue;
      kept.push(...natives);
      natives = [];
    }
  }
  return [...kept, ...natives]
    .map((line) => line.replace(/^ {4}at <eval> \((.*)\)$/, '    at $1').replace(/([^\s()]+):(\d+):(\d+)(\)?)$/, originally))
    .join('\n');
};

// Translated files by name: generated text, source, and where the tokens were and are.
const positions = new Map();
const originally = (place, filename, line, column, end) => {
  const map = positions.get(filename);
  if (!map) return place;
  const offset = offsetOf(map.code, Number(line)) + Number(column) - 1;
  let [low, high] = [0, map.mappings.length - 1];
  let token = -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    let at = middle;
    while (at >= low && map.mappings[at] === undefined) at--;
    if (at < low) low = middle + 1;
    else if (map.mappings[at] <= offset) {
      token = at;
      low = middle + 1;
    } else high = at - 1;
  }
  if (token < 0) return place;
  const from = map.starts[token] + offset - map.mappings[token] - offsetOf(map.source, Number(line));
  return from >= 0 ? `${filename}:${line}:${from + 1}${end}` : place;
};
const offsetOf = (text, line) => {
  let at = 0;
  for (let i = 1; i < line; i++) at = text.indexOf('\n', at) + 1;
  return at;
};

const traceback = (thrown, seen = []) => {
  const { header, frames } = describeError(thrown);
  let text = frames ? `${header}\n${frames}` : header;
  if (seen.length < 10 && thrown !== null && typeof thrown === 'object') {
    seen.push(thrown);
    const cause = ownValue(thrown, 'cause');
    if (cause !== undefined && !seen.includes(cause)) text += `\n[cause]: ${traceback(cause, seen)}`;
    const errors = ownValue(thrown, 'errors');
    if (Array.isArray(errors)) {
      for (let i = 0; i < Math.min(errors.length, 10); i++) {
        const one = ownValue(errors, i);
        if (!seen.includes(one)) text += `\n[errors][${i}]: ${traceback(one, seen)}`;
      }
    }
  }
  return text;
};
const ownValue = (value, name) => {
  try {
    return Reflect.getOwnPropertyDescriptor(value, name)?.value;
  } catch (error) {
    if (isExhaustion(error)) throw error;
    return undefined;
  }
};

const raised = (thrown) => {
  if (thrown instanceof OverLimit) {
    return { status: 'limit', limit: thrown.limit, allowed: thrown.allowed, spent: thrown.spent };
  }
  let { type, message } = describeError(thrown);
  if (type === 'InternalError' && message === 'out of memory') [type, message] = ['MemoryError', ''];
  const code = thrown !== null && typeof thrown === 'object' ? ownValue(thrown, 'code') : undefined;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EMFILE') type = 'OSError';
  return { status: 'raised', type: wellFormed(type.slice(0, 1000)), message: wellFormed(cut(message)), traceback: wellFormed(cut(traceback(thrown))) };
};

const refused = (thrown, source) => {
  const { type, message } = describeError(thrown);
  const place = /(?:at |\()([^\s()]*):(\d+):(\d+)\)?$/m.exec(framesOf(read(thrown, 'stack') ?? ''));
  // The engine does not say where a regular expression is that it cannot compile.
  const [line, column] = place ? [Number(place[2]), Number(place[3])] : placeOfRegExp(source) ?? [0, 0];
  const where = place && place[1] !== run.filename ? `${place[1]}: ` : '';
  return refusal(type, `${where}${message}`, line, column, traceback(thrown));
};
const refusal = (type, message, line, column, shown) => ({
  status: 'refused', type, message: wellFormed(cut(message)), traceback: wellFormed(cut(shown)),
  findings: [{ line, column, message: wellFormed(cut(message)) }],
});

// Timers: the host asks for the next one and calls it, so that no frame of ours is beneath it.

let timers = new Map();
let timerCount = 0;
const addTimer = (callback, delay, every) => {
  timerCount++;
  const wait = Math.min(Math.max(Number.isFinite(delay) ? Math.trunc(delay) : 0, every ? 1 : 0), 2 ** 31 - 1);
  timers.set(timerCount, { callback, at: performance.now() + wait, every: every ? wait : 0, number: timerCount });
  return timerCount;
};
const dropTimer = (number) => {
  timers.delete(number);
};
const next = () => {
  let first = null;
  for (const one of timers.values()) if (first === null || one.at < first.at) first = one;
  if (first === null) return undefined;
  const wait = first.at - performance.now();
  if (wait > 0) return wait;
  if (first.every) {
    first.at += first.every;
    // A timer that fell behind does not catch up.
    if (first.at < performance.now()) first.at = performance.now() + first.every;
    timers.delete(first.number);
    timers.set(first.number, first);
  } else timers.delete(first.number);
  return first.callback;
};

// Tools.

let begun = 0;
const waiting = new Map();
const startTool = (tool, args) => {
  if (begun >= run.host_calls) throw guestError('Error', `host_calls: all ${run.host_calls} calls of this run are made`);
  const positional = [];
  for (let i = 0; i < args.length; i++) positional.push(args[i]);
  let named = {};
  if (tool.named && positional.length > tool.required && isPlain(positional.at(-1))) named = positional.pop();
  // As for any function: what is too much is dropped, what is undefined at the end was not given.
  positional.length = Math.min(positional.length, tool.most);
  while (positional.length && positional.at(-1) === undefined) positional.pop();
  let encoded;
  try {
    encoded = encodeValue([positional, named], run.value_bytes, run.value_depth + 2);
  } catch (error) {
    if (!(error instanceof OverLimit)) throw error;
    throw guestError('RangeError', `the arguments of ${tool.name} cannot cross: ${error.message}`);
  }
  if (encoded.notes.length) throw guestError('TypeError', `an argument of ${tool.name} cannot cross: ${encoded.notes[0].replace(/^value/, 'arguments')}`);
  flush();
  const number = Number(host.call(tool.name, encoded.text));
  if (!number) throw guestError('Error', `host_calls: all ${run.host_calls} calls of this run are made`);
  begun = number;
  return number;
};
const isPlain = (value) => {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === guestObjectPrototype;
};
const result = ([, text, kind, message]) => {
  if (kind) throw guestError(kind, message);
  return decodeValue(text);
};
const arrived = new Map();
const receive = (text) => {
  for (const answer of JSON.parse(text)) arrived.set(answer[0], answer);
};
const callTool = (tool, args) => {
  const number = startTool(tool, args);
  while (!arrived.has(number)) receive(host.wait());
  const answer = arrived.get(number);
  arrived.delete(number);
  return result(answer);
};
const awaitTool = (tool, args, resolve, reject) => {
  waiting.set(startTool(tool, args), { resolve, reject });
};
const deliver = (text) => {
  receive(text);
  for (const [number, { resolve, reject }] of waiting) {
    if (!arrived.has(number)) continue;
    const answer = arrived.get(number);
    arrived.delete(number);
    waiting.delete(number);
    let value;
    try {
      value = result(answer);
    } catch (error) {
      reject(convert(error));
      continue;
    }
    resolve(value);
  }
};
const isWaiting = () => (waiting.size ? '1' : '');

const describeTool = (one) => {
  const kinds = one.parameters.map(({ kind }) => kind);
  const required = one.parameters.filter((p) => (p.kind === 'positional' || p.kind === 'any') && !('value' in p) && !('default' in p)).length;
  const most = kinds.includes('rest') ? Infinity : kinds.filter((kind) => kind === 'positional' || kind === 'any').length;
  return { name: one.name, required, most, named: kinds.includes('named') || kinds.includes('named_rest'), isAsync: one.is_async, doc: one.doc };
};

// Files: the host keeps them.

const ERRNO_TEXT = {
  ENOENT: 'no such file or directory', EEXIST: 'file already exists', EISDIR: 'illegal operation on a directory',
  ENOTDIR: 'not a directory', ENOTEMPTY: 'directory not empty', EACCES: 'permission denied', EROFS: 'read-only file system',
  ENOSPC: 'no space left on device', EDQUOT: 'disk quota exceeded', EMFILE: 'too many open files', EINVAL: 'invalid argument',
  ENAMETOOLONG: 'name too long', ELOOP: 'too many symbolic links encountered', EBADF: 'bad file descriptor',
  EPERM: 'operation not permitted', EBUSY: 'resource busy or locked', ENOSYS: 'function not implemented', EFBIG: 'file too large',
};
const fileCall = (operation, syscall, path, ...rest) => {
  const answer = host.file(operation, path, ...rest);
  if (typeof answer !== 'string') return answer;
  if (answer[0] === '=') return guestParse(answer.slice(1));
  const code = answer.slice(1);
  const shown = operation === 'rename' || operation === 'copy' ? `'${path}' -> '${rest[0]}'` : `'${path}'`;
  throw guestError('Error', `${code}: ${ERRNO_TEXT[code] ?? 'failed'}, ${syscall} ${shown}`, { code, syscall, path });
};

// Copies, as structuredClone makes them.

const clone = (value) => {
  const copies = new Map();
  const fail = (what) => guestError('DOMException', `${what} could not be cloned.`, { name: 'DataCloneError' });
  const copy = (from) => {
    if (typeof from === 'symbol' || typeof from === 'function') throw fail(textOf(from));
    if (from === null || typeof from !== 'object') return from;
    if (copies.has(from)) return copies.get(from);
    const brand = brandOf(from);
    const keep = (made) => {
      copies.set(from, made);
      return made;
    };
    switch (brand) {
      case 'Date': return keep(Reflect.construct(guestClasses.Date, [Date.prototype.getTime.call(from)]));
      case 'RegExp': {
        const text = regExpText(from);
        return keep(Reflect.construct(guestRegExp, [regExpSource(from), text.slice(text.lastIndexOf('/') + 1)]));
      }
      case 'Number': case 'String': case 'Boolean': case 'BigInt': return keep(guestObject(boxedValue[brand].call(from)));
      case 'ArrayBuffer': return keep(ArrayBuffer.prototype.slice.call(from, 0));
      case 'DataView': return keep(Reflect.construct(guestDataView, [copy(viewBuffer(from)), viewOffset(from), viewLength(from)]));
      case 'Map': {
        const made = keep(Reflect.construct(guestClasses.Map, []));
        const entries = [];
        Map.prototype.forEach.call(from, (item, key) => entries.push([key, item]));
        for (const [key, item] of entries) Map.prototype.set.call(made, copy(key), copy(item));
        return made;
      }
      case 'Set': {
        const made = keep(Reflect.construct(guestClasses.Set, []));
        const items = [];
        Set.prototype.forEach.call(from, (item) => items.push(item));
        for (const item of items) Set.prototype.add.call(made, copy(item));
        return made;
      }
      case 'Error': {
        const name = read(from, 'name');
        const made = keep(guestError(name in guestErrors && name !== 'DOMException' ? name : 'Error', read(from, 'message') ?? ''));
        for (const own of ['stack', 'cause']) {
          const found = Reflect.getOwnPropertyDescriptor(from, own);
          if (found && 'value' in found) Object.defineProperty(made, own, { ...found, value: copy(found.value) });
        }
        return made;
      }
      case 'Array':
      case 'Object': {
        const made = keep(brand === 'Array' ? guestParse('[]') : guestParse('{}'));
        if (brand === 'Array') made.length = from.length;
        for (const name of Object.keys(from)) {
          Object.defineProperty(made, name, { value: copy(from[name]), writable: true, enumerable: true, configurable: true });
        }
        return made;
      }
    }
    if (brand.endsWith('Array')) {
      const buffer = copy(typedBuffer(from));
      return keep(Reflect.construct(guestTypedAll[brand], [buffer, typedOffset(from), typedLength(from)]));
    }
    throw fail(`#<${nameOf(from)}>`);
  };
  return copy(value);
};
const guestRegExp = guest.RegExp;
const guestObject = guest.Object;
const guestDataView = guest.DataView;
const boxedValue = Object.fromEntries(['Number', 'String', 'Boolean', 'BigInt'].map((name) => [name, globalThis[name].prototype.valueOf]));
const guestTypedAll = { ...guestTyped, Uint8ClampedArray: guest.Uint8ClampedArray };

// A turn.

const guestEval = guest.eval;
const defineGlobal = (name, value) => {
  const found = Reflect.getOwnPropertyDescriptor(guest, name);
  if (found && !found.configurable && !found.writable) throw new CannotCross(`${name} is a constant of the language`);
  if (found && !found.configurable) guest[name] = value;
  else Object.defineProperty(guest, name, { value, writable: true, enumerable: true, configurable: true });
};

let runs = 0;
const setVariable = (name, value) => {
  // A run before may have declared a variable of this name, which hides a property of the global object.
  if (runs > 1 && /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(name)) {
    let assign = null;
    try {
      assign = guestEval(`'use strict';(value) => { ${name} = value; }`);
    } catch { /* a reserved word */ }
    if (assign) {
      try {
        assign(value);
        return;
      } catch { /* it is not declared, or a constant */ }
    }
  }
  defineGlobal(name, value);
};

const begin = (headText, variables) => {
  run = JSON.parse(headText);
  runs++;
  timers.clear();
  waiting.clear();
  arrived.clear();
  begun = 0;
  buffered = [];
  bufferedChars = 0;
  if (runs === 1) {
    began = performance.now();
    wallOrigin = Date.now();
  }
  library.begin(guestParse(JSON.stringify(['javascript', `/home/sandbox/${run.filename}`, ...run.args])), guestParse(JSON.stringify(run.env)));
  try {
    for (const one of run.tools ?? []) {
      const made = library.makeTool(describeTool(one));
      defineGlobal(one.name, made);
      if (one.role === 'http') library.makeFetch(made);
    }
    if (variables) {
      const decoded = decodeValue(variables);
      for (const name of Object.keys(decoded)) setVariable(name, decoded[name]);
    }
  } catch (error) {
    const { type, message } = describeError(error);
    return JSON.stringify(refusal('ValueNotTransferable', `variables: ${error instanceof CannotCross ? message : `${type}: ${message}`}`, 0, 0, ''));
  }
  return undefined;
};

const ok = (value) => {
  const code = library.exitCode();
  if (Number.isInteger(code) && code !== 0) return exitReport(String(code));
  const { text, notes } = encodeValue(value, run.value_bytes, run.value_depth);
  return `${JSON.stringify({ status: 'ok', notes })}\n${text}`;
};
const finish = (kind, value, source = '') => {
  let said;
  try {
    if (kind === 'ok') said = ok(value);
    else if (kind === 'exit') said = exitReport(value);
    else said = JSON.stringify(kind === 'refused' ? refused(value, source) : kind === 'unsettled' ? UNSETTLED
      : kind === 'exhausted' ? EXHAUSTED : raised(value));
  } catch (error) {
    said = JSON.stringify(raised(error));
  }
  flush();
  return said;
};
const EXHAUSTED = { status: 'raised', type: 'MemoryError', message: '', traceback: '' };
const UNSETTLED = {
  status: 'raised', type: 'Error', message: 'top-level await never settles: nothing is left that could settle it', traceback: '',
};
const exitReport = (code) => (code === '0' ? '{"status":"ok"}\nnull'
  : JSON.stringify({ status: 'raised', type: 'SystemExit', message: code, traceback: '' }));

const moduleError = (message, code) => guestError('Error', message, { code });
// The value of a program: what its last statement came to, or what it exports.
const completed = (result) => ownValue(result, 'value');
const exported = (namespace) => (Reflect.has(namespace, 'default') ? namespace.default : undefined);

// Imports at the head of a script: they become a module of their own, whose names the script finds
// as globals. So a script has a value and can be gone on with, as in Node's prompt.
const publish = (namespace) => {
  for (const name of Object.keys(namespace)) {
    Object.defineProperty(guest, name, { get: () => namespace[name], set: (value) => {
      Object.defineProperty(guest, name, { value, writable: true, enumerable: true, configurable: true });
    }, enumerable: true, configurable: true });
  }
};

// A program that is a module of its own: it takes what it needs itself, and tells people how it ended.
const start = () => {
  const args = host.args().split('\0').slice(1, -1);
  const env = Object.fromEntries(host.environment().split('\0').slice(0, -1).map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
  begin(JSON.stringify({ filename: 'main.js', args, env, stream: false, value_bytes: 0, value_depth: 0, host_calls: 0, tools: null }), '');
};
const conclude = (kind, value) => {
  flush();
  if (kind === 'ok') return Number.isInteger(library.exitCode()) ? library.exitCode() : 0;
  write(2, `${wellFormed(kind === 'unsettled' ? UNSETTLED.message : traceback(value))}\n`);
  return kind === 'unsettled' ? 13 : 1;
};

// The host has tried everything out; the next run is the first.
const rewind = () => {
  runs = 0;
};

const turn = { start, conclude, rewind, begin, finish, next, deliver, isWaiting, flush, moduleError, plan: (source) => JSON.stringify(plan(source)), publish,
  exported, completed };

const core = {
  write, flush, formatted, inspect, convert, addTimer, dropTimer, callTool, awaitTool, fileCall, clone, guestError, ownValue, wellFormed,
  encode: (text) => host.encode(text), decode: (buffer) => host.decode(buffer), random: (count) => host.random(count),
  line: () => host.line(), input: () => host.input(), exit: (code) => {
    flush();
    host.exit(code);
  },
  compile: (source, filename) => host.compile(source, filename),
  now: () => performance.now() - began, origin: () => wallOrigin, cycles: () => performance.now(),
  inspectWith: (value, depth, hidden) => inspect(value, { depth, hidden }),
  framesOf, describeError, brandOf: (value) => brandOf(value),
};
