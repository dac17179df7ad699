// Which statements of a program are imports and exports: found by its tokens, not by parsing it.
'use strict';

const WORD = /[\p{ID_Start}$_\u200c\u200d\p{ID_Continue}]+/uy;
const NUMBER = /0[xXbBoO][\da-fA-F_]+n?|(?:\d[\d_]*)?\.?\d[\d_]*(?:[eE][+-]?\d+)?n?\.?/y;
const SPACE = /(?:[\s\ufeff]|\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\/)+/y;
// After one of these words a slash begins a regular expression.
const BEFORE_VALUE = new Set(['return', 'typeof', 'case', 'in', 'of', 'do', 'else', 'void', 'delete', 'throw', 'new', 'await',
  'yield', 'instanceof', 'default', 'extends']);

// Yields {text, at, first} for words and punctuation outside of all brackets, and {regExp, at} for each
// regular expression; `first` tells whether only a line end, a semicolon or a closing brace comes before.
function* topLevelWords(source) {
  let at = source.startsWith('#!') ? Math.max(source.indexOf('\n'), 0) || source.length : 0;
  let depth = 0;
  let valueBefore = false;
  let first = true;
  const templates = [];
  const skipString = (quote) => {
    for (at++; at < source.length && source[at] !== quote && source[at] !== '\n'; at++) if (source[at] === '\\') at++;
    at++;
  };
  const skipTemplate = () => {
    for (; at < source.length; at++) {
      if (source[at] === '\\') at++;
      else if (source[at] === '`') { at++; return; }
      else if (source[at] === '$' && source[at + 1] === '{') {
        at += 2;
        templates.push(depth++);
        return;
      }
    }
  };
  while (at < source.length) {
    SPACE.lastIndex = at;
    const space = SPACE.exec(source);
    if (space) {
      at = SPACE.lastIndex;
      if (/[\n\r\u2028\u2029]/.test(space[0])) first = true;
      continue;
    }
    const one = source[at];
    const start = at;
    if (one === '"' || one === "'") {
      skipString(one);
      if (depth === 0) yield { text: source.slice(start, at), at: start, first, string: true };
      valueBefore = true;
      first = false;
      continue;
    }
    if (one === '`') {
      at++;
      skipTemplate();
      valueBefore = templates.length === 0 || source[at - 1] === '`';
      first = false;
      continue;
    }
    if (one === '/' && !valueBefore) {
      let inClass = false;
      for (at++; at < source.length && source[at] !== '\n'; at++) {
        if (source[at] === '\\') at++;
        else if (source[at] === '[') inClass = true;
        else if (source[at] === ']') inClass = false;
        else if (source[at] === '/' && !inClass) break;
      }
      const end = at++;
      while (/\w/.test(source[at] ?? '')) at++;
      yield { regExp: [source.slice(start + 1, end), source.slice(end + 1, at)], at: start };
      valueBefore = true;
      first = false;
      continue;
    }
    if ((one >= '0' && one <= '9') || (one === '.' && /\d/.test(source[at + 1] ?? ''))) {
      NUMBER.lastIndex = at;
      at = NUMBER.exec(source) ? Math.max(NUMBER.lastIndex, at + 1) : at + 1;
      valueBefore = true;
      first = false;
      continue;
    }
    WORD.lastIndex = at;
    const word = WORD.exec(source);
    if (word) {
      at = WORD.lastIndex;
      if (depth === 0) yield { text: word[0], at: start, first, before: source[start - 1] };
      valueBefore = !BEFORE_VALUE.has(word[0]);
      first = false;
      continue;
    }
    at++;
    if (one === '}' && templates.length && templates.at(-1) === depth - 1) {
      depth = templates.pop();
      skipTemplate();
      valueBefore = true;
      continue;
    }
    if (one === '(' || one === '[' || one === '{') {
      if (depth === 0) yield { text: one, at: start, first };
      depth++;
    } else if (one === ')' || one === ']' || one === '}') {
      depth--;
      if (depth === 0) yield { text: one, at: start, first };
    } else if (depth === 0) yield { text: one, at: start, first };
    // A brace may end a block or an object; after it, a slash is taken for a division only behind ) and ].
    valueBefore = one === ')' || one === ']';
    first = one === ';' || one === '}';
  }
}

const IMPORT = /import(?![\w$])\s*(?:(?:([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*,?\s*)?(?:\*\s*as\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)|\{([^}]*)\})?\s*from\s*)?(["'])(?:[^"'\n\\]|\\.)*\4(?:\s*with\s*\{[^}]*\})?[ \t]*;?/uy;

// How a program is to be run: `script`, `module`, or `imports` with the module that imports for it.
const plan = (source) => {
  if (/\bimport\s*\.\s*meta\b/.test(source)) return { kind: 'module' };
  const found = [];
  for (const { text, at, first, before } of topLevelWords(source)) {
    if (!first || before === '.') continue;
    if (text === 'export') return { kind: 'module' };
    if (text !== 'import') continue;
    IMPORT.lastIndex = at;
    const match = IMPORT.exec(source);
    if (match) found.push({ at, text: match[0], names: boundNames(match) });
  }
  if (!found.length) return { kind: 'script' };
  let rest = '';
  let imports = '';
  let from = 0;
  const blank = (text) => text.replace(/[^\n\r\u2028\u2029]/g, ' ');
  for (const one of found) {
    imports += blank(source.slice(from, one.at)) + one.text;
    rest += source.slice(from, one.at) + blank(one.text);
    from = one.at + one.text.length;
  }
  const names = [...new Set(found.flatMap((one) => one.names))];
  return { kind: 'imports', imports: `${imports};export{${names.join()}}`, rest: rest + source.slice(from) };
};
const boundNames = ([, byDefault, namespace, list]) => {
  const names = [byDefault, namespace].filter(Boolean);
  for (const part of (list ?? '').replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '').split(',')) {
    const name = /(?:\bas\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*$/u.exec(part.trim());
    if (name) names.push(name[1]);
  }
  return names;
};

// Where the first regular expression is that does not compile, as line and column; or null.
const placeOfRegExp = (source) => {
  for (const { regExp, at } of topLevelWords(source)) {
    if (regExp === undefined) continue;
    try {
      new RegExp(...regExp);
    } catch {
      const before = source.slice(0, at).split('\n');
      return [before.length, before.at(-1).length + 1];
    }
  }
  return null;
};
