// What a program finds beside the language itself: console, timers, encodings, files, process, tools.
//
// It runs in the program's realm, so what it makes are ordinary objects there, and a program that
// breaks it breaks it for itself only. Its value is a function that takes the driver's `core` and
// installs everything; `javascript_url.js` has URLs.
(function install(core, makeUrlClasses) {
  'use strict';

  const global = globalThis;
  const { apply, ownKeys, getOwnPropertyDescriptor } = Reflect;
  const define = Object.defineProperty;
  const NativeUint8Array = Uint8Array;
  const NativePromise = Promise;
  const withResolvers = Promise.withResolvers.bind(Promise);
  const { isView } = ArrayBuffer;
  const parseJson = JSON.parse;

  // Calls the driver; what is thrown there arrives as an error of this realm.
  const guarded = (call) => function guardedCall() {
    try {
      return apply(call, undefined, arguments);
    } catch (error) {
      throw core.convert(error);
    }
  };
  const named = (name, call) => define(call, 'name', { value: name });
  const expose = (name, value) => define(global, name, { value, writable: true, enumerable: false, configurable: true });
  const fill = (target, methods) => {
    for (const name of ownKeys(methods)) {
      define(target, name, { ...getOwnPropertyDescriptor(methods, name), enumerable: true });
      if (typeof methods[name] === 'function') named(name, methods[name]);
    }
    return target;
  };

  const bytesOf = (data, what = 'data') => {
    if (isView(data)) return new NativeUint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return new NativeUint8Array(data);
    throw new TypeError(`the ${what} must be a string, an ArrayBuffer or a view of one`);
  };
  const exactBuffer = (view) => (view.byteLength === view.buffer.byteLength && view.buffer instanceof ArrayBuffer
    ? view.buffer : new NativeUint8Array(view).buffer);
  const encode = guarded((text) => core.encode(String(text)));
  const decode = guarded((view) => core.decode(exactBuffer(view)));
  const random = guarded((count) => core.random(count));

  // console

  let indent = '';
  const counts = new Map();
  const clocks = new Map();
  const write = guarded(core.write);
  const format = guarded((list) => core.formatted(list));
  const print = (stream, list) => {
    let text = format(list);
    if (indent) text = indent + text.replaceAll('\n', `\n${indent}`);
    write(stream, `${text}\n`);
  };
  const elapsed = (label) => {
    if (!clocks.has(label)) return null;
    const ms = core.now() - clocks.get(label);
    return ms >= 1000 ? `${(ms / 1000).toFixed(3)}s` : `${ms.toFixed(3)}ms`;
  };
  const cell = guarded((value) => core.inspectWith(value, 0, false));
  const table = (data, columns) => {
    if (data === null || typeof data !== 'object') return print(1, [data]);
    const rows = [];
    const heads = [];
    let hasValues = false;
    const entries = data instanceof Map || data instanceof Set ? [...data.entries()].map(([, v], i) => [String(i), v]) : Object.entries(data);
    for (const [index, row] of entries) {
      const cells = new Map();
      if (row !== null && typeof row === 'object') {
        for (const key of columns ?? Object.keys(row)) {
          if (!heads.includes(key)) heads.push(key);
          if (key in row) cells.set(key, cell(row[key]));
        }
      } else {
        hasValues = true;
        cells.set(table, cell(row));
      }
      rows.push([index, cells]);
    }
    const keys = hasValues ? [...heads, table] : heads;
    const lines = [['(index)', ...keys.map((key) => (key === table ? 'Values' : key))],
      ...rows.map(([index, cells]) => [index, ...keys.map((key) => cells.get(key) ?? '')])];
    const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => line[c].length)) + 2);
    const rule = (left, middle, right) => left + widths.map((width) => '─'.repeat(width)).join(middle) + right;
    const shown = lines.map((line) => `│${line.map((one, c) => ` ${one.padEnd(widths[c] - 1)}`).join('│')}│`);
    return print(1, [[rule('┌', '┬', '┐'), shown[0], rule('├', '┼', '┤'), ...shown.slice(1), rule('└', '┴', '┘')].join('\n')]);
  };
  const console = fill({}, {
    log() { print(1, arguments); },
    info() { print(1, arguments); },
    debug() { print(1, arguments); },
    warn() { print(2, arguments); },
    error() { print(2, arguments); },
    trace(...list) {
      const frames = core.framesOf(new Error().stack);
      print(2, [`Trace${list.length ? `: ${format(list)}` : ''}${frames ? `\n${frames}` : ''}`]);
    },
    assert(condition, ...list) {
      if (!condition) print(2, list.length ? ['Assertion failed:', ...list] : ['Assertion failed']);
    },
    dir(value, options = {}) { print(1, [core.inspectWith(value, options.depth === undefined ? 2 : options.depth, Boolean(options.showHidden))]); },
    dirxml() { print(1, arguments); },
    table,
    count(label = 'default') {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      print(1, [`${label}: ${counts.get(label)}`]);
    },
    countReset(label = 'default') { counts.delete(label); },
    group(...list) {
      if (list.length) print(1, list);
      indent += '  ';
    },
    groupEnd() { indent = indent.slice(2); },
    time(label = 'default') { clocks.set(label, core.now()); },
    timeLog(label = 'default', ...list) {
      const text = elapsed(label);
      if (text) print(1, [`${label}: ${text}`, ...list]);
    },
    timeEnd(label = 'default') {
      const text = elapsed(label);
      if (text) print(1, [`${label}: ${text}`]);
      clocks.delete(label);
    },
    clear() { /* nothing is on a screen */ },
  });
  console.groupCollapsed = console.group;
  expose('console', console);

  // Timers

  const timer = (name, every) => named(name, (callback, delay = 0, ...list) => {
    if (typeof callback !== 'function') throw new TypeError(`${name}: the callback must be a function`);
    return core.addTimer(list.length ? () => { apply(callback, undefined, list); } : callback, Number(delay), every);
  });
  const clear = (name) => named(name, (number) => { core.dropTimer(Number(number)); });
  expose('setTimeout', timer('setTimeout', false));
  expose('setInterval', timer('setInterval', true));
  expose('setImmediate', named('setImmediate', (callback, ...list) => setTimeout(callback, 0, ...list)));
  for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) expose(name, clear(name));
  const { setTimeout } = global;

  expose('performance', fill({}, {
    now() { return core.now(); },
    get timeOrigin() { return core.origin(); },
    toJSON() { return { timeOrigin: core.origin() }; },
  }));

  // Encodings

  const ENCODINGS = new Map([['utf-8', 'utf-8'], ['utf8', 'utf-8'], ['unicode-1-1-utf-8', 'utf-8'], ['utf-16le', 'utf-16le'],
    ['utf-16', 'utf-16le'], ['latin1', 'windows-1252'], ['iso-8859-1', 'windows-1252'], ['ascii', 'windows-1252'],
    ['us-ascii', 'windows-1252'], ['windows-1252', 'windows-1252']]);
  class TextEncoder {
    get encoding() { return 'utf-8'; }

    encode(text = '') { return new NativeUint8Array(encode(text)); }

    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const one of String(text)) {
        const bytes = new NativeUint8Array(encode(one));
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += one.length;
      }
      return { read, written };
    }
  }
  const charText = (view) => {
    let text = '';
    for (let at = 0; at < view.length; at += 8192) text += String.fromCharCode(...view.subarray(at, at + 8192));
    return text;
  };
  class TextDecoder {
    #encoding;

    #left = [];

    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      const found = ENCODINGS.get(String(label).trim().toLowerCase());
      if (!found) throw new RangeError(`The "${label}" encoding is not supported`);
      this.#encoding = found;
      this.fatal = Boolean(fatal);
      this.ignoreBOM = Boolean(ignoreBOM);
    }

    get encoding() { return this.#encoding; }

    decode(data, { stream = false } = {}) {
      let view = data === undefined ? new NativeUint8Array() : bytesOf(data, 'input');
      if (this.#left.length) {
        const whole = new NativeUint8Array(this.#left.length + view.length);
        whole.set(this.#left);
        whole.set(view, this.#left.length);
        view = whole;
      }
      this.#left = [];
      if (stream) {
        const keep = this.#encoding === 'utf-8' ? unfinished(view) : this.#encoding === 'utf-16le' ? view.length % 2 : 0;
        this.#left = Array.from(view.subarray(view.length - keep));
        view = view.subarray(0, view.length - keep);
      }
      let text;
      if (this.#encoding === 'utf-8') {
        text = decode(view);
        if (this.fatal && text.includes('\ufffd') && !sameBytes(new NativeUint8Array(encode(text)), view)) {
          throw new TypeError('The encoded data was not valid for encoding utf-8');
        }
      } else if (this.#encoding === 'utf-16le') {
        const units = new Uint16Array(view.length >> 1);
        for (let i = 0; i < units.length; i++) units[i] = view[2 * i] | (view[2 * i + 1] << 8);
        text = charText(units).toWellFormed();
      } else text = charText(view);
      return !this.ignoreBOM && text[0] === '\ufeff' ? text.slice(1) : text;
    }
  }
  const sameBytes = (one, other) => one.length === other.length && one.every((byte, i) => byte === other[i]);
  const unfinished = (view) => {
    for (let back = 1; back <= Math.min(3, view.length); back++) {
      const byte = view[view.length - back];
      if ((byte & 0xc0) === 0x80) continue;
      const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
      return wanted > back ? back : 0;
    }
    return 0;
  };
  expose('TextEncoder', TextEncoder);
  expose('TextDecoder', TextDecoder);
  expose('structuredClone', guarded(named('structuredClone', (value) => core.clone(value))));

  const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
  const hex = (view) => {
    let text = '';
    for (let i = 0; i < view.length; i++) text += HEX[view[i]];
    return text;
  };
  const crypto = fill({}, {
    getRandomValues(target) {
      if (!isView(target) || target instanceof DataView || /^Float/.test(target.constructor.name)) throw new TypeError('getRandomValues: an integer typed array is needed');
      if (target.byteLength > 65536) throw core.guestError('DOMException', 'at most 65536 bytes at once', { name: 'QuotaExceededError' });
      bytesOf(target).set(new NativeUint8Array(random(target.byteLength)));
      return target;
    },
    randomUUID() {
      const bytes = new NativeUint8Array(random(16));
      bytes[6] = (bytes[6] & 15) | 64;
      bytes[8] = (bytes[8] & 63) | 128;
      return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    },
  });
  expose('crypto', crypto);

  // Bytes as Node's programs know them.

  const fromHex = (text) => {
    const digits = /^(?:[\da-f]{2})*/i.exec(text)[0];
    return NativeUint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
  };
  const fromBinary = (text) => NativeUint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i) & 255);
  class Buffer extends Uint8Array {
    static from(data, encoding = 'utf8') {
      if (typeof data !== 'string') {
        const view = data instanceof ArrayBuffer ? new NativeUint8Array(data) : NativeUint8Array.from(data);
        return new Buffer(view.buffer, view.byteOffset, view.byteLength);
      }
      let view;
      switch (String(encoding).toLowerCase()) {
        case 'utf8': case 'utf-8': view = new NativeUint8Array(encode(data)); break;
        case 'hex': view = fromHex(data); break;
        case 'base64': case 'base64url': view = fromBinary(atob(data.replaceAll('-', '+').replaceAll('_', '/').replace(/[^\w+/]/g, ''))); break;
        case 'latin1': case 'binary': case 'ascii': view = fromBinary(data); break;
        case 'utf16le': case 'ucs2': view = new NativeUint8Array(Uint16Array.from({ length: data.length }, (_, i) => data.charCodeAt(i)).buffer); break;
        default: throw new TypeError(`Unknown encoding: ${encoding}`);
      }
      return new Buffer(view.buffer, view.byteOffset, view.byteLength);
    }

    static alloc(size, fillWith) {
      const made = new Buffer(size);
      return fillWith === undefined ? made : made.fill(fillWith);
    }

    static allocUnsafe(size) { return new Buffer(size); }

    static isBuffer(value) { return value instanceof Buffer; }

    static byteLength(text, encoding) { return typeof text === 'string' ? Buffer.from(text, encoding).length : text.byteLength; }

    static concat(list, length = list.reduce((sum, one) => sum + one.length, 0)) {
      const made = new Buffer(length);
      let at = 0;
      for (const one of list) {
        made.set(one.subarray(0, Math.max(0, length - at)), at);
        at += one.length;
      }
      return made;
    }

    static compare(one, other) {
      for (let i = 0; i < Math.min(one.length, other.length); i++) if (one[i] !== other[i]) return one[i] < other[i] ? -1 : 1;
      return Math.sign(one.length - other.length);
    }

    equals(other) { return Buffer.compare(this, other) === 0; }

    slice(start, end) { return this.subarray(start, end); }

    write(text, offset = 0) {
      const view = new NativeUint8Array(encode(text)).subarray(0, Math.max(0, this.length - offset));
      this.set(view, offset);
      return view.length;
    }

    toString(encoding = 'utf8', start = 0, end = this.length) {
      const view = new NativeUint8Array(this.buffer, this.byteOffset, this.length).subarray(start, end);
      switch (String(encoding).toLowerCase()) {
        case 'utf8': case 'utf-8': return decode(view);
        case 'hex': return hex(view);
        case 'base64': return btoa(charText(view));
        case 'base64url': return btoa(charText(view)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
        case 'latin1': case 'binary': case 'ascii': return charText(view);
        case 'utf16le': case 'ucs2': return charText(new Uint16Array(exactBuffer(view), 0, view.length >> 1));
        default: throw new TypeError(`Unknown encoding: ${encoding}`);
      }
    }

    toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
  }
  expose('Buffer', Buffer);
  const bufferOf = (data) => new Buffer(data);

  // Files

  const call = guarded(core.fileCall);
  const pathOf = (path) => {
    if (typeof path === 'string') return path;
    if (path instanceof global.URL && path.protocol === 'file:') return decodeURIComponent(path.pathname);
    if (isView(path)) return decode(bytesOf(path));
    throw new TypeError('the path must be a string');
  };
  const encodingOf = (options) => (typeof options === 'string' ? options : options?.encoding ?? null);
  const contentOf = (data, options) => (typeof data === 'string' ? exactBuffer(Buffer.from(data, encodingOf(options) ?? 'utf8'))
    : isView(data) || data instanceof ArrayBuffer ? exactBuffer(bytesOf(data)) : exactBuffer(Buffer.from(String(data))));
  class Stats {
    #kind;

    constructor({ kind, size, mtimeMs, mode }) {
      this.#kind = kind;
      this.size = size;
      this.mode = mode;
      this.mtimeMs = mtimeMs;
      this.mtime = new Date(mtimeMs);
    }

    isFile() { return this.#kind === 'file'; }

    isDirectory() { return this.#kind === 'directory'; }

    isSymbolicLink() { return this.#kind === 'link'; }
  }
  class Dirent {
    #kind;

    constructor(name, path, kind) {
      this.name = name;
      this.parentPath = path;
      this.#kind = kind;
    }

    isFile() { return this.#kind === 'file'; }

    isDirectory() { return this.#kind === 'directory'; }

    isSymbolicLink() { return this.#kind === 'link'; }
  }
  const ignoring = (code, action) => {
    try {
      return action();
    } catch (error) {
      if (error?.code !== code) throw error;
      return undefined;
    }
  };
  const sync = {
    readFileSync(path, options) {
      const found = path === 0 || path === '/dev/stdin' ? core.input() : call('read', 'open', pathOf(path));
      const encoding = encodingOf(options);
      return encoding ? bufferOf(found).toString(encoding) : bufferOf(found);
    },
    writeFileSync(path, data, options) {
      const name = path === 1 || path === 2 ? path : pathOf(path);
      if (typeof name === 'number') return write(name, bufferOf(contentOf(data, options)).toString());
      return void call(options?.flag === 'a' ? 'append' : 'write', 'open', name, contentOf(data, options));
    },
    appendFileSync(path, data, options) { call('append', 'open', pathOf(path), contentOf(data, options)); },
    existsSync(path) {
      try {
        call('stat', 'stat', pathOf(path));
        return true;
      } catch {
        return false;
      }
    },
    readdirSync(path, options) {
      const folder = pathOf(path);
      const found = [];
      const visit = (below) => {
        for (const [name, kind] of call('list', 'scandir', below ? `${folder}/${below}` : folder)) {
          const shown = below ? `${below}/${name}` : name;
          found.push(options?.withFileTypes ? new Dirent(name, below ? `${folder}/${below}` : folder, kind) : shown);
          if (options?.recursive && kind === 'directory') visit(shown);
        }
      };
      visit('');
      return found;
    },
    mkdirSync(path, options) {
      const name = pathOf(path);
      if (!options?.recursive) return void call('mkdir', 'mkdir', name);
      const parts = name.split('/');
      for (let i = 1; i <= parts.length; i++) {
        const part = parts.slice(0, i).join('/');
        if (part) ignoring('EEXIST', () => call('mkdir', 'mkdir', part));
      }
      if (!sync.statSync(name).isDirectory()) call('mkdir', 'mkdir', name);
      return undefined;
    },
    unlinkSync(path) { call('unlink', 'unlink', pathOf(path)); },
    rmdirSync(path) { call('rmdir', 'rmdir', pathOf(path)); },
    rmSync(path, options) {
      const name = pathOf(path);
      const remove = () => {
        if (!sync.lstatSync(name).isDirectory()) return sync.unlinkSync(name);
        if (!options?.recursive) throw Object.assign(new Error(`EISDIR: illegal operation on a directory, rm '${name}'`), { code: 'EISDIR', syscall: 'rm', path: name });
        for (const one of sync.readdirSync(name)) sync.rmSync(`${name}/${one}`, options);
        return sync.rmdirSync(name);
      };
      if (options?.force) ignoring('ENOENT', remove);
      else remove();
    },
    statSync(path, options) {
      const found = () => new Stats(call('stat', 'stat', pathOf(path)));
      return options?.throwIfNoEntry === false ? ignoring('ENOENT', found) : found();
    },
    lstatSync(path) { return new Stats(call('lstat', 'lstat', pathOf(path))); },
    renameSync(from, to) { call('rename', 'rename', pathOf(from), pathOf(to)); },
    copyFileSync(from, to) { call('write', 'copyfile', pathOf(to), call('read', 'copyfile', pathOf(from))); },
    accessSync(path) { call('stat', 'access', pathOf(path)); },
    symlinkSync(target, path) { call('symlink', 'symlink', pathOf(path), pathOf(target)); },
    readlinkSync(path) { return call('readlink', 'readlink', pathOf(path)); },
    realpathSync(path) { return call('realpath', 'realpath', pathOf(path)); },
  };
  const promises = {};
  const fs = fill({}, sync);
  for (const name of ownKeys(sync)) {
    const short = name.slice(0, -4);
    if (short !== 'exists') promises[short] = named(short, async (...list) => apply(sync[name], undefined, list));
    fs[short] = named(short, (...list) => {
      const callback = list.pop();
      if (typeof callback !== 'function') throw new TypeError(`fs.${short}: the last argument must be a callback; there is ${name} and fs.promises.${short} as well`);
      let error = null;
      let found;
      try {
        found = apply(sync[name], undefined, list);
      } catch (thrown) {
        error = thrown;
      }
      setTimeout(() => { if (short === 'exists') callback(found); else if (error) callback(error); else callback(null, found); }, 0);
    });
  }
  fs.promises = promises;
  fs.constants = { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1 };

  // Paths

  const normalize = (path) => {
    const parts = [];
    for (const part of path.split('/')) {
      if (part === '..' && parts.length && parts.at(-1) !== '..') parts.pop();
      else if (part === '..' && !path.startsWith('/')) parts.push('..');
      else if (part && part !== '.' && part !== '..') parts.push(part);
    }
    const text = parts.join('/') + (path.endsWith('/') && parts.length ? '/' : '');
    return path.startsWith('/') ? `/${text}` : text || '.';
  };
  const path = fill({}, {
    sep: '/', delimiter: ':', normalize,
    join(...parts) { return normalize(parts.filter(Boolean).join('/')); },
    resolve(...parts) {
      let whole = '';
      for (const part of [HOME, ...parts]) whole = part.startsWith('/') ? part : `${whole}/${part}`;
      const found = normalize(whole);
      return found.length > 1 ? found.replace(/\/$/, '') : found;
    },
    isAbsolute(one) { return one.startsWith('/'); },
    basename(one, suffix = '') {
      const last = one.replace(/\/+$/, '').split('/').at(-1);
      return suffix && last.endsWith(suffix) && last !== suffix ? last.slice(0, -suffix.length) : last;
    },
    dirname(one) {
      const at = one.replace(/\/+$/, '').lastIndexOf('/');
      return at < 0 ? '.' : one.slice(0, at) || '/';
    },
    extname(one) { return /[^/.][^/]*?(\.[^./]*)\/*$/.exec(one)?.[1] ?? ''; },
    relative(from, to) {
      const [a, b] = [from, to].map((one) => path.resolve(one).split('/').filter(Boolean));
      let same = 0;
      while (same < a.length && a[same] === b[same]) same++;
      return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
    },
    parse(one) {
      const base = path.basename(one);
      const ext = path.extname(one);
      return { root: one.startsWith('/') ? '/' : '', dir: path.dirname(one), base, ext, name: ext ? base.slice(0, -ext.length) : base };
    },
    format({ dir, root = '', base, name = '', ext = '' }) { return `${dir ? `${dir}/` : root}${base ?? name + ext}`; },
  });
  path.posix = path;
  const HOME = '/home/sandbox';

  // The process

  const writable = (stream) => fill({}, {
    fd: stream, isTTY: false, columns: 80,
    write(data, encoding, callback) {
      write(stream, typeof data === 'string' ? data : decode(bytesOf(data)));
      const done = typeof encoding === 'function' ? encoding : callback;
      if (done) setTimeout(done, 0);
      return true;
    },
  });
  const exitListeners = [];
  const process = fill({}, {
    argv: [], env: {}, argv0: 'javascript', execArgv: [], exitCode: undefined, pid: 1, platform: 'linux', arch: 'wasm32',
    version: 'v22.0.0', versions: { quickjs: '0.17', dspex: '1' }, release: { name: 'dspex' },
    stdout: writable(1), stderr: writable(2), stdin: { fd: 0, isTTY: false },
    cwd() { return HOME; },
    exit(code = process.exitCode ?? 0) { core.exit(Number.isInteger(Number(code)) ? Number(code) : 1); },
    nextTick(callback, ...list) { queueMicrotask(() => { apply(callback, undefined, list); }); },
    uptime() { return core.now() / 1000; },
    hrtime: Object.assign((before) => {
      const ns = BigInt(Math.round(core.cycles() * 1e6)) - (before ? BigInt(before[0]) * 1_000_000_000n + BigInt(before[1]) : 0n);
      return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
    }, { bigint: () => BigInt(Math.round(core.cycles() * 1e6)) }),
    memoryUsage() { return { rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }; },
    emitWarning(text) { write(2, `Warning: ${text}\n`); },
    on() { return process; }, once() { return process; }, off() { return process; },
  });
  const { queueMicrotask } = global;
  expose('process', process);
  expose('global', global);
  const line = guarded(core.line);
  expose('readline', named('readline', () => line()));
  expose('prompt', named('prompt', (text = '', otherwise = null) => {
    if (text !== '') write(1, `${text} `);
    core.flush();
    return line() ?? otherwise;
  }));

  const util = fill({}, {
    inspect(value, options = {}) { return core.inspectWith(value, options === null || options.depth === undefined ? 2 : options.depth, Boolean(options?.showHidden)); },
    format() { return format(arguments); },
    promisify(call_) {
      return (...list) => new NativePromise((resolve, reject) => {
        call_(...list, (error, value) => { if (error) reject(error); else resolve(value); });
      });
    },
    isDeepStrictEqual(one, other) { return deepEqual(one, other); },
    types: {}, TextEncoder, TextDecoder,
  });
  const deepEqual = (one, other) => {
    if (Object.is(one, other)) return true;
    if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') return false;
    if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
    if (one instanceof Date) return one.getTime() === other.getTime();
    if (one instanceof Map) return one.size === other.size && [...one].every(([key, value]) => other.has(key) && deepEqual(value, other.get(key)));
    if (one instanceof Set) return one.size === other.size && [...one].every((value) => other.has(value) || [...other].some((twin) => deepEqual(value, twin)));
    const keys = Object.keys(one);
    return keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && deepEqual(one[key], other[key]));
  };
  class AssertionError extends Error {
    constructor({ message, actual, expected, operator }) {
      super(message);
      Object.assign(this, { code: 'ERR_ASSERTION', actual, expected, operator });
    }

    get name() { return 'AssertionError'; }
  }
  const show = (value) => core.inspectWith(value, 2, false);
  const failing = (operator, actual, expected, message) => {
    if (message instanceof Error) throw message;
    throw new AssertionError({ message: message ?? `${show(actual)} ${operator} ${show(expected)}`, actual, expected, operator });
  };
  const assert = Object.assign((value, message) => { if (!value) failing('==', value, true, message); }, {
    AssertionError,
    equal(a, b, message) { if (a != b) failing('==', a, b, message); }, // eslint-disable-line eqeqeq
    notEqual(a, b, message) { if (a == b) failing('!=', a, b, message); }, // eslint-disable-line eqeqeq
    strictEqual(a, b, message) { if (!Object.is(a, b)) failing('===', a, b, message); },
    notStrictEqual(a, b, message) { if (Object.is(a, b)) failing('!==', a, b, message); },
    deepEqual(a, b, message) { if (!deepEqual(a, b)) failing('deepEqual', a, b, message); },
    deepStrictEqual(a, b, message) { if (!deepEqual(a, b)) failing('deepStrictEqual', a, b, message); },
    notDeepStrictEqual(a, b, message) { if (deepEqual(a, b)) failing('notDeepStrictEqual', a, b, message); },
    throws(action, wanted, message) {
      try {
        action();
      } catch (error) {
        const fits = wanted === undefined || typeof wanted === 'string' || (wanted instanceof RegExp ? wanted.test(String(error))
          : typeof wanted === 'function' && (error instanceof wanted || wanted.prototype === undefined && wanted(error) === true)
            || typeof wanted === 'object' && Object.keys(wanted).every((key) => deepEqual(error[key], wanted[key])));
        if (!fits) throw error;
        return;
      }
      failing('throws', action, wanted, message ?? 'Missing expected exception.');
    },
    fail(message = 'Failed') { failing('fail', undefined, undefined, message); },
    match(text, pattern, message) { if (!pattern.test(text)) failing('match', text, pattern, message); },
  });
  assert.ok = (value, message) => assert(value, message);
  assert.strict = assert;

  // Modules that are always there, and `require`.

  const timersPromises = {
    setTimeout: named('setTimeout', (delay, value) => new NativePromise((resolve) => { setTimeout(resolve, delay, value); })),
  };
  const [URL, URLSearchParams] = makeUrlClasses(encode, (bytes) => decode(bytes));
  expose('URL', URL);
  expose('URLSearchParams', URLSearchParams);
  const builtins = {
    'fs': fs, 'fs/promises': promises, path, process, util, assert, 'assert/strict': assert, 'timers/promises': timersPromises,
    buffer: { Buffer }, crypto: { ...crypto, webcrypto: crypto }, url: { URL, URLSearchParams },
    timers: { setTimeout: global.setTimeout, setInterval: global.setInterval, clearTimeout: global.clearTimeout, clearInterval: global.clearInterval },
    os: { EOL: '\n', platform: () => 'linux', tmpdir: () => '/tmp', homedir: () => HOME, cpus: () => [] },
  };
  const loaded = new Map();
  const compile = guarded(core.compile);
  const requireFrom = (folder) => {
    const require = (name) => {
      const short = String(name).replace(/^node:/, '');
      if (Object.hasOwn(builtins, short)) return builtins[short];
      if (!/^(?:\.{0,2}\/|\.\.?$)/.test(name)) {
        throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
      }
      const base = path.resolve(folder, name);
      const found = [base, `${base}.js`, `${base}.cjs`, `${base}.json`, `${base}/index.js`].find((one) => sync.statSync(one, { throwIfNoEntry: false })?.isFile());
      if (!found) throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
      if (loaded.has(found)) return loaded.get(found).exports;
      const module = { exports: {}, id: found, filename: found, loaded: false };
      loaded.set(found, module);
      try {
        const text = sync.readFileSync(found, 'utf8');
        if (found.endsWith('.json')) module.exports = parseJson(text);
        else {
          const body = compile(`(function (exports, require, module, __filename, __dirname) {${text}\n})`, path.relative(HOME, found));
          apply(body, module.exports, [module.exports, requireFrom(path.dirname(found)), module, found, path.dirname(found)]);
        }
        module.loaded = true;
      } catch (error) {
        loaded.delete(found);
        throw error;
      }
      return module.exports;
    };
    return require;
  };
  expose('require', requireFrom(HOME));

  const toolFunction = (tool) => {
    const start = guarded(core.awaitTool);
    const callNow = guarded(core.callTool);
    const made = tool.isAsync
      ? async function () {
        const { promise, resolve, reject } = withResolvers();
        start(tool, arguments, resolve, reject);
        return promise;
      }
      : function () { return callNow(tool, arguments); };
    // Programs of a session before may have put anything into Object.prototype.
    define(made, 'name', { __proto__: null, value: tool.name });
    define(made, 'length', { __proto__: null, value: tool.required });
    if (tool.doc) define(made, 'doc', { __proto__: null, value: tool.doc });
    return made;
  };

  // The web's way to ask, on the host's; only in runs whose policy grants a host to be asked.
  class Headers {
    #pairs = [];

    constructor(init = []) {
      const pairs = init instanceof Headers ? init.#pairs : typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }

    append(name, value) { this.#pairs.push([String(name).toLowerCase(), String(value).trim()]); }

    set(name, value) {
      this.delete(name);
      this.append(name, value);
    }

    delete(name) { this.#pairs = this.#pairs.filter(([one]) => one !== String(name).toLowerCase()); }

    get(name) {
      const found = this.#pairs.filter(([one]) => one === String(name).toLowerCase()).map(([, value]) => value);
      return found.length ? found.join(', ') : null;
    }

    has(name) { return this.get(name) !== null; }

    forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }

    * entries() { for (const name of [...new Set(this.#pairs.map(([one]) => one))].sort()) yield [name, this.get(name)]; }

    [Symbol.iterator]() { return this.entries(); }
  }
  class Response {
    #body;

    #used = false;

    constructor(body, { status = 200, statusText = '', headers = [], url = '' } = {}) {
      this.#body = body === undefined || body === null ? new NativeUint8Array() : typeof body === 'string' ? new NativeUint8Array(encode(body)) : bytesOf(body);
      Object.assign(this, { status, statusText, url, ok: status >= 200 && status < 300, headers: new Headers(headers) });
    }

    get bodyUsed() { return this.#used; }

    #take() {
      if (this.#used) throw new TypeError('Body has already been read');
      this.#used = true;
      return this.#body;
    }

    async arrayBuffer() { return this.#take().slice().buffer; }

    async bytes() { return this.#take().slice(); }

    async text() { return decode(this.#take()); }

    async json() { return parseJson(decode(this.#take())); }
  }
  const makeFetch = (request) => {
    expose('Headers', Headers);
    expose('Response', Response);
    expose('fetch', named('fetch', async (input, { method = 'GET', headers = [], body } = {}) => {
      const sent = body === undefined || body === null || typeof body === 'string' ? body ?? null
        : body instanceof URLSearchParams ? String(body) : bytesOf(body, 'body');
      const answer = request(String(method).toUpperCase(), String(input), Object.fromEntries(new Headers(headers)), sent);
      return new Response(answer.body, { status: answer.status, statusText: answer.reason, headers: answer.headers, url: answer.url });
    }));
  };

  return {
    builtins,
    makeFetch,
    makeTool: toolFunction,
    begin(argv, env) {
      indent = '';
      process.argv = argv;
      const names = ownKeys(env);
      for (let i = 0; i < names.length; i++) process.env[names[i]] = env[names[i]];
      process.exitCode = undefined;
    },
    exitCode: () => process.exitCode,
  };
})
