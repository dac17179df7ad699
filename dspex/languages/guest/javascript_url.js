// URL and URLSearchParams, after the WHATWG's URL standard; names of hosts are ASCII.
(function urlClasses(encode, decode) {
  'use strict';

  const PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21', 'file:': '' };
  const escapes = (unsafe) => (text) => text.toWellFormed().replace(unsafe, (one) => {
    let out = '';
    for (const byte of new Uint8Array(encode(one))) out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    return out;
  });
  const inFragment = escapes(/[\0-\x1f\x7f-\u{10ffff} "<>`]/gu);
  const inQuery = escapes(/[\0-\x1f\x7f-\u{10ffff} "#<>']/gu);
  const inPath = escapes(/[\0-\x1f\x7f-\u{10ffff} "#<>?`{}^]/gu);
  const inUser = escapes(/[\0-\x1f\x7f-\u{10ffff} "#<>?`{}/:;=@[\\\]^|]/gu);
  const unescape_ = (text) => {
    if (!text.includes('%')) return text;
    const bytes = [];
    const source = new Uint8Array(encode(text));
    for (let i = 0; i < source.length; i++) {
      const digits = source[i] === 37 ? String.fromCharCode(source[i + 1], source[i + 2]) : '';
      if (/^[\da-fA-F]{2}$/.test(digits)) {
        bytes.push(parseInt(digits, 16));
        i += 2;
      } else bytes.push(source[i]);
    }
    return decode(new Uint8Array(bytes));
  };

  const ipv4 = (host) => {
    const parts = host.replace(/\.$/, '').split('.');
    if (!/^(?:\d+|0x[\da-f]*)$/i.test(parts.at(-1))) return host;
    if (parts.length > 4) return null;
    const numbers = parts.map((part) => (/^0x[\da-f]*$/i.test(part) ? parseInt(part.slice(2) || '0', 16)
      : /^0[0-7]+$/.test(part) ? parseInt(part, 8) : /^\d+$/.test(part) && !/^0\d/.test(part) ? Number(part) : NaN));
    if (numbers.some(Number.isNaN) || numbers.slice(0, -1).some((one) => one > 255)) return null;
    const last = numbers.at(-1);
    if (last >= 256 ** (5 - numbers.length)) return null;
    const whole = numbers.slice(0, -1).reduce((sum, one, i) => sum + one * 256 ** (3 - i), last);
    return [24, 16, 8, 0].map((shift) => Math.floor(whole / 2 ** shift) % 256).join('.');
  };
  const ipv6 = (text) => {
    const [head, tail, more] = text.split('::');
    if (more !== undefined) return null;
    const groups = (part) => {
      if (!part) return [];
      const found = [];
      const pieces = part.split(':');
      for (const [i, piece] of pieces.entries()) {
        if (piece.includes('.') && i === pieces.length - 1) {
          const bytes = piece.split('.').map(Number);
          if (bytes.length !== 4 || bytes.some((one) => !(one >= 0 && one <= 255))) return null;
          found.push(bytes[0] * 256 + bytes[1], bytes[2] * 256 + bytes[3]);
        } else if (/^[\da-f]{1,4}$/i.test(piece)) found.push(parseInt(piece, 16));
        else return null;
      }
      return found;
    };
    const [before, after] = [groups(head), groups(tail)];
    if (!before || !after) return null;
    const zeros = 8 - before.length - after.length;
    if (tail === undefined ? zeros !== 0 : zeros < 1) return null;
    const all = [...before, ...Array(Math.max(zeros, 0)).fill(0), ...after];
    let best = [0, 0];
    for (let i = 0; i < 8; i++) {
      let n = 0;
      while (i + n < 8 && all[i + n] === 0) n++;
      if (n > best[1] && n > 1) best = [i, n];
    }
    const hex = all.map((one) => one.toString(16));
    if (!best[1]) return hex.join(':');
    return `${hex.slice(0, best[0]).join(':')}::${hex.slice(best[0] + best[1]).join(':')}`;
  };
  const parseHost = (text, special) => {
    if (text.startsWith('[')) {
      const inner = text.endsWith(']') ? ipv6(text.slice(1, -1)) : null;
      return inner === null ? null : `[${inner}]`;
    }
    if (!special) return /[\0\t\n\r #/:<>?@[\\\]^|]/.test(text) ? null : inFragment(text);
    const plain = unescape_(text).toLowerCase();
    if (!plain || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f-\u{10ffff}]/u.test(plain)) return null;
    return ipv4(plain);
  };
  const dotted = (segment) => segment.replace(/%2e/gi, '.');
  const parsePath = (text, special, base) => {
    const segments = base ? base.slice(0, -1) : [];
    const given = (special ? text.replaceAll('\\', '/') : text).split('/');
    if (text.startsWith('/') || (special && text.startsWith('\\'))) {
      segments.length = 0;
      given.shift();
    }
    given.forEach((one, i) => {
      const last = i === given.length - 1;
      const plain = dotted(one);
      if (plain === '..') {
        segments.pop();
        if (last) segments.push('');
      } else if (plain === '.') {
        if (last) segments.push('');
      } else segments.push(inPath(one));
    });
    return segments;
  };

  // Returns the parts of a URL, or null if the text is none.
  const parse = (input, base) => {
    const text = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
    const scheme = /^([a-zA-Z][\w+.-]*):/.exec(text);
    const url = { protocol: '', username: '', password: '', host: null, port: '', path: [], opaque: null, query: null, fragment: null };
    let rest = text;
    const hash = rest.indexOf('#');
    if (hash >= 0) {
      url.fragment = inFragment(rest.slice(hash + 1));
      rest = rest.slice(0, hash);
    }
    const takeQuery = () => {
      const mark = rest.indexOf('?');
      if (mark >= 0) {
        url.query = inQuery(rest.slice(mark + 1));
        rest = rest.slice(0, mark);
      }
    };
    let special;
    if (scheme) {
      url.protocol = `${scheme[1].toLowerCase()}:`;
      special = url.protocol in PORTS;
      rest = rest.slice(scheme[0].length);
      if (special && base && base.protocol === url.protocol && !/^[/\\]/.test(rest)) return relative(url, rest, base, special, takeQuery, () => rest);
    } else {
      if (!base) return null;
      if (base.opaque !== null && !(text.startsWith('#'))) return null;
      url.protocol = base.protocol;
      special = url.protocol in PORTS;
      if (!/^(?:\/\/|\\\\|\/\\|\\\/)/.test(rest) || (!special && !rest.startsWith('//'))) {
        return relative(url, rest, base, special, takeQuery, () => rest);
      }
    }
    takeQuery();
    const slashes = special ? /^[/\\]{2,}/.exec(rest) : /^\/\//.exec(rest);
    if (special && url.protocol !== 'file:') rest = rest.replace(/^[/\\]*/, '');
    else if (slashes) rest = rest.slice(2);
    else if (url.protocol === 'file:' || rest.startsWith('/')) {
      url.host = url.protocol === 'file:' ? '' : null;
      url.path = parsePath(rest.startsWith('/') ? rest : `/${rest}`, special, null);
      return url;
    } else {
      url.opaque = inFragment(rest).replaceAll('%20', ' ').replace(/ +$/, (spaces) => spaces);
      return url;
    }
    const end = rest.search(special ? /[/\\]/ : /\//);
    let authority = end < 0 ? rest : rest.slice(0, end);
    const path = end < 0 ? '' : rest.slice(end);
    const at = authority.lastIndexOf('@');
    if (at >= 0) {
      const [user, ...password] = authority.slice(0, at).split(':');
      url.username = inUser(user);
      url.password = inUser(password.join(':'));
      authority = authority.slice(at + 1);
    }
    const port = /:(\d*)$/.exec(authority);
    if (port && url.protocol !== 'file:') {
      authority = authority.slice(0, port.index);
      if (Number(port[1]) > 65535) return null;
      url.port = port[1] === '' || String(Number(port[1])) === PORTS[url.protocol] ? '' : String(Number(port[1]));
    }
    if (!authority && (url.protocol === 'file:' || !special)) url.host = '';
    else url.host = parseHost(authority, special);
    if (url.host === null || (url.host === '' && (at >= 0 || url.port))) return null;
    if (url.protocol === 'file:' && url.host === 'localhost') url.host = '';
    url.path = special || path ? parsePath(path || '/', special, null) : [];
    return url;
  };
  const relative = (url, given, base, special, takeQuery, left) => {
    Object.assign(url, { username: base.username, password: base.password, host: base.host, port: base.port, opaque: base.opaque });
    takeQuery();
    const path = left();
    if (path === '') {
      url.path = [...base.path];
      if (url.query === null) url.query = base.query;
    } else url.path = parsePath(path, special, base.path);
    return url;
  };
  const pathText = (url) => url.opaque ?? (url.path.length ? `/${url.path.join('/')}` : '');
  const serialize = (url) => {
    let text = url.protocol;
    if (url.host !== null) {
      text += '//';
      if (url.username || url.password) text += `${url.username}${url.password ? `:${url.password}` : ''}@`;
      text += url.host + (url.port ? `:${url.port}` : '');
    } else if (url.opaque === null && url.path.length > 1 && url.path[0] === '') text += '/.';
    return text + pathText(url) + (url.query === null ? '' : `?${url.query}`) + (url.fragment === null ? '' : `#${url.fragment}`);
  };

  const formEscape = escapes(/[^\w*.\- ]/gu);
  const formText = (text) => formEscape(text).replaceAll(' ', '+');
  const parseForm = (text) => text.split('&').filter(Boolean).map((pair) => {
    const at = pair.indexOf('=');
    const halves = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
    return halves.map((half) => unescape_(half.replaceAll('+', ' ')));
  });

  class URLSearchParams {
    #pairs = [];

    #changed = null;

    constructor(init = '') {
      if (init !== null && typeof init === 'object') {
        const source = typeof init[Symbol.iterator] === 'function' ? init : Object.entries(init);
        for (const pair of source) {
          const both = [...pair];
          if (both.length !== 2) throw new TypeError('URLSearchParams: each pair must have a name and a value');
          this.#pairs.push(both.map((one) => String(one).toWellFormed()));
        }
      } else this.#pairs = parseForm(String(init).replace(/^\?/, ''));
    }

    static attach(params, pairsText, changed) {
      params.#pairs = parseForm(pairsText);
      params.#changed = changed;
    }

    #touch() { this.#changed?.(this.toString()); }

    get size() { return this.#pairs.length; }

    append(name, value) {
      this.#pairs.push([String(name), String(value)]);
      this.#touch();
    }

    delete(name, value) {
      this.#pairs = this.#pairs.filter(([key, one]) => key !== String(name) || (value !== undefined && one !== String(value)));
      this.#touch();
    }

    get(name) { return this.#pairs.find(([key]) => key === String(name))?.[1] ?? null; }

    getAll(name) { return this.#pairs.filter(([key]) => key === String(name)).map(([, value]) => value); }

    has(name, value) { return this.#pairs.some(([key, one]) => key === String(name) && (value === undefined || one === String(value))); }

    set(name, value) {
      const at = this.#pairs.findIndex(([key]) => key === String(name));
      if (at < 0) this.#pairs.push([String(name), String(value)]);
      else {
        this.#pairs[at][1] = String(value);
        this.#pairs = this.#pairs.filter(([key], i) => key !== String(name) || i === at);
      }
      this.#touch();
    }

    sort() {
      this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#touch();
    }

    forEach(callback, self) { for (const [key, value] of this) callback.call(self, value, key, this); }

    * entries() { for (const [key, value] of this.#pairs) yield [key, value]; }

    * keys() { for (const [key] of this.#pairs) yield key; }

    * values() { for (const [, value] of this.#pairs) yield value; }

    [Symbol.iterator]() { return this.entries(); }

    toString() { return this.#pairs.map(([key, value]) => `${formText(key)}=${formText(value)}`).join('&'); }
  }
  const { attach } = URLSearchParams;
  delete URLSearchParams.attach;

  class URL {
    #url;

    #params = null;

    constructor(input, base) {
      const parsedBase = base === undefined ? null : parse(String(base), null);
      const url = base !== undefined && !parsedBase ? null : parse(String(input), parsedBase);
      if (!url) throw Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: String(input) });
      this.#url = url;
    }

    static canParse(input, base) { return URL.parse(input, base) !== null; }

    static parse(input, base) {
      try {
        return new URL(input, base);
      } catch {
        return null;
      }
    }

    #refresh() { if (this.#params) attach(this.#params, this.#url.query ?? '', this.#onChange); }

    #onChange = (text) => { this.#url.query = text === '' ? null : text; };

    get href() { return serialize(this.#url); }

    set href(value) {
      const url = parse(String(value), null);
      if (!url) throw new TypeError('Invalid URL');
      this.#url = url;
      this.#refresh();
    }

    get origin() { return this.#url.protocol in PORTS && this.#url.protocol !== 'file:' ? `${this.protocol}//${this.host}` : 'null'; }

    get protocol() { return this.#url.protocol; }

    set protocol(value) {
      const name = /^([a-zA-Z][\w+.-]*):?/.exec(String(value));
      if (!name) return;
      const wanted = `${name[1].toLowerCase()}:`;
      if ((wanted in PORTS) !== (this.#url.protocol in PORTS)) return;
      this.#url.protocol = wanted;
      if (this.#url.port === PORTS[wanted]) this.#url.port = '';
    }

    get username() { return this.#url.username; }

    set username(value) { if (this.#url.host) this.#url.username = inUser(String(value)); }

    get password() { return this.#url.password; }

    set password(value) { if (this.#url.host) this.#url.password = inUser(String(value)); }

    get host() { return this.#url.host === null ? '' : this.#url.host + (this.#url.port ? `:${this.#url.port}` : ''); }

    set host(value) {
      const [, name, port] = /^(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?/.exec(String(value));
      this.hostname = name;
      if (port !== undefined) this.port = port;
    }

    get hostname() { return this.#url.host ?? ''; }

    set hostname(value) {
      if (this.#url.opaque !== null) return;
      const host = parseHost(String(value), this.#url.protocol in PORTS);
      if (host) this.#url.host = host;
    }

    get port() { return this.#url.port; }

    set port(value) {
      const digits = /^\d*/.exec(String(value))[0];
      if (!this.#url.host || this.#url.protocol === 'file:' || Number(digits) > 65535) return;
      if (String(value) === '') this.#url.port = '';
      else if (digits) this.#url.port = String(Number(digits)) === PORTS[this.#url.protocol] ? '' : String(Number(digits));
    }

    get pathname() { return pathText(this.#url); }

    set pathname(value) {
      if (this.#url.opaque !== null) return;
      const text = String(value);
      this.#url.path = parsePath(/^[/\\]/.test(text) ? text : `/${text}`, this.#url.protocol in PORTS, null);
    }

    get search() { return this.#url.query ? `?${this.#url.query}` : ''; }

    set search(value) {
      const text = String(value).replace(/^\?/, '');
      this.#url.query = text === '' ? null : inQuery(text);
      this.#refresh();
    }

    get searchParams() {
      if (!this.#params) {
        this.#params = new URLSearchParams();
        this.#refresh();
      }
      return this.#params;
    }

    get hash() { return this.#url.fragment ? `#${this.#url.fragment}` : ''; }

    set hash(value) {
      const text = String(value).replace(/^#/, '');
      this.#url.fragment = text === '' ? null : inFragment(text);
    }

    toString() { return this.href; }

    toJSON() { return this.href; }
  }
  return [URL, URLSearchParams];
})
