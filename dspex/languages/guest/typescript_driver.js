// Types out of TypeScript, inside the sandbox: Sucrase, which keeps every line where it was.
//
// Sucrase is upstream's, one file per module; they are loaded here by a `require` of our own. What
// it would drop without a word is refused, and columns are put right again in what is reported.
'use strict';

const upstream = new Map(Object.keys(sources).map((name) => [name, sources[name]]));
delete globalThis.sources;
let captured = null;
const STANDS_FOR = {
  // The only caller gives a code's tokens and where each went: that is all a column needs.
  'computeSourceMap.js': { __esModule: true, default: (result, _file, _options, source, tokens) => {
    captured = { code: result.code, mappings: result.mappings, source, starts: tokens.map((one) => one.start), tokens };
    return {};
  } },
  'Options.js': { __esModule: true, validateOptions: () => undefined },
  'util/formatTokens.js': { __esModule: true, default: () => '' },
};
const loadedUpstream = new Map();
const requireUpstream = (folder) => (name) => {
  const parts = folder ? folder.split('/') : [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  const base = parts.join('/');
  const path = [`${base}.js`, `${base}/index.js`].find((one) => upstream.has(one) || one in STANDS_FOR);
  if (path === undefined) throw new Error(`the type stripper asks for ${name}`);
  if (path in STANDS_FOR) return STANDS_FOR[path];
  if (!loadedUpstream.has(path)) {
    const module = { exports: {} };
    loadedUpstream.set(path, module);
    const body = new Function('exports', 'require', 'module', upstream.get(path));
    body(module.exports, requireUpstream(path.split('/').slice(0, -1).join('/')), module);
  }
  return loadedUpstream.get(path).exports;
};
const { transform } = requireUpstream('')('./index');
const { ContextualKeyword } = requireUpstream('')('./parser/tokenizer/keywords');
const { TokenType } = requireUpstream('')('./parser/tokenizer/types');
upstream.clear();

const OPTIONS = { transforms: ['typescript'], disableESTransforms: true };

// Source text with types to source text without, after `=`; or a refusal as JSON.
const strip = (source, filename) => {
  captured = null;
  try {
    const { code } = transform(source, { ...OPTIONS, filePath: filename, sourceMapOptions: { compiledFilename: filename } });
    const refusedAt = namespaceOf(captured.tokens);
    if (refusedAt !== null) {
      return JSON.stringify(atOffset(source, refusedAt, 'a namespace with code in it is not supported: use a module or an object'));
    }
    positions.set(filename, captured);
    return `=${code}`;
  } catch (error) {
    if (isExhaustion(error)) throw error;
    const message = error.message.replace(/^Error transforming [^:]*: /, '').replace(/ \(\d+:\d+\)$/, '');
    if (error.loc) return JSON.stringify(refusalAt(filename, message, error.loc.line, error.loc.column));
    if (Number.isInteger(error.pos)) return JSON.stringify(atOffset(source, error.pos, message));
    return JSON.stringify(refusalAt(filename, message, 0, 0));
  } finally {
    captured = null;
  }
};
const refusalAt = (filename, message, line, column) => refusal('SyntaxError', message, line, column, `SyntaxError: ${message}\n    at ${filename}:${line}:${column}`);
const atOffset = (source, offset, message) => {
  const before = source.slice(0, offset).split('\n');
  return refusalAt(run.filename, message, before.length, before.at(-1).length + 1);
};

// Where a namespace begins that is not only declared: Sucrase takes each for types.
const namespaceOf = (tokens) => {
  for (let i = 0; i < tokens.length; i++) {
    const one = tokens[i];
    if (!one.isType) continue;
    const follows = tokens[i + 1];
    if (one.contextualKeyword === ContextualKeyword._declare || one.type === TokenType._declare) {
      i = skipDeclared(tokens, i);
      continue;
    }
    const isNamespace = one.contextualKeyword === ContextualKeyword._namespace || one.contextualKeyword === ContextualKeyword._module
      || one.type === TokenType._namespace || one.type === TokenType._module;
    if (isNamespace && follows?.type === TokenType.name) {
      let at = i + 2;
      while (tokens[at]?.type === TokenType.dot) at += 2;
      if (tokens[at]?.type === TokenType.braceL) return one.start;
    }
  }
  return null;
};
const skipDeclared = (tokens, start) => {
  let depth = 0;
  for (let i = start + 1; i < tokens.length && tokens[i].isType; i++) {
    const { type } = tokens[i];
    if (type === TokenType.braceL) depth++;
    if (type === TokenType.braceR && --depth === 0) return i;
    if (type === TokenType.semi && depth === 0) return i;
  }
  return start;
};

turn.strip = strip;
