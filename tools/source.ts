/** Source files as the checkers see them: parsed, never matched as text. The one door to oxc-parser. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'oxc-parser';

export interface Source {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly comments: readonly { readonly text: string; readonly line: number }[];
  readonly program: SyntaxNode;
}

export interface Import {
  readonly specifier: string;
  /** Names taken from the module; empty for `import()`, `import '…'` and `export *`. */
  readonly names: readonly string[];
  readonly kind: 'import' | 'export' | 'export-all' | 'dynamic' | 'require' | 'type';
  readonly line: number;
}

/** An ESTree node with the TypeScript extensions; what a checker needs of it, it asks for by name. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

const skippedFolders = new Set(['.git', 'node_modules', 'dist', '.cache', 'coverage']);

/** Files of the working tree apart from what .gitignore names, without needing git: sorted, with slashes. */
export function repositoryFiles(root: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : repositoryFiles(root, path);
      return entry.isFile() && !/\.(log|tsbuildinfo)$/.test(path) ? [path] : [];
    })
    .sort();
}

/** Reads and parses; generated code is left out, it answers to its generator. */
export function readSources(root: string, paths: readonly string[]): Source[] {
  return paths
    .filter((path) => /\.(ts|js|mjs)$/.test(path) && !/(^|\/)gen\//.test(path))
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

/** Throws on a syntax error: a file that cannot be read cannot be vouched for. */
export function parseSource(path: string, text: string): Source {
  const result = parseSync(path, text);
  const [error] = result.errors;
  if (error !== undefined) throw new SyntaxError(`${path}: ${error.message}`);
  const lineAt = lineCounter(text);
  const program = result.program as unknown as SyntaxNode;
  return {
    path,
    text,
    program,
    comments: result.comments.map((comment) => ({ text: comment.value, line: lineAt(comment.start) })),
    imports: [...declaredImports(result.module, lineAt), ...calledImports(program, lineAt)],
  };
}

function* declaredImports(module: ReturnType<typeof parseSync>['module'], lineAt: LineAt): Generator<Import> {
  for (const found of module.staticImports) {
    const names = found.entries.map((entry) => entry.importName.name ?? '*');
    yield { specifier: found.moduleRequest.value, names, kind: 'import', line: lineAt(found.start) };
  }
  for (const found of module.staticExports) {
    for (const entry of found.entries) {
      if (!entry.moduleRequest) continue;
      const kind = String(entry.importName.kind) === 'AllButDefault' ? 'export-all' : 'export';
      const names = entry.importName.name === null ? [] : [entry.importName.name];
      yield { specifier: entry.moduleRequest.value, names, kind, line: lineAt(entry.start) };
    }
  }
}

/** `import('x')`, `typeof import('x')`, and `require('x')` under any name that says so. */
function* calledImports(program: SyntaxNode, lineAt: LineAt): Generator<Import> {
  for (const { node } of walk(program)) {
    const line = lineAt(node.start);
    if (node.type === 'ImportExpression' || node.type === 'TSImportType') {
      const specifier = literal(node['source']);
      if (specifier !== undefined)
        yield { specifier, names: [], kind: node.type === 'TSImportType' ? 'type' : 'dynamic', line };
    }
    if (node.type === 'CallExpression') {
      const [argument] = node['arguments'] as unknown[];
      const callee = node['callee'] as SyntaxNode;
      const name = callee.type === 'CallExpression' ? nameOf(callee['callee']) : nameOf(callee);
      const specifier = literal(argument);
      if (specifier !== undefined && /^(create)?require$/i.test(name ?? ''))
        yield { specifier, names: [], kind: 'require', line };
    }
  }
}

export interface Visit {
  readonly node: SyntaxNode;
  readonly parent: SyntaxNode | undefined;
  /** The field of the parent that holds the node. */
  readonly field: string;
}

/** Every node, parents first. A list: nested generators would hand each node up through all levels above it. */
export function walk(program: SyntaxNode): Visit[] {
  const visits: Visit[] = [];
  const enter = (node: SyntaxNode, parent: SyntaxNode | undefined, field: string): void => {
    visits.push({ node, parent, field });
    for (const key in node) {
      const value = node[key];
      if (isNode(value)) enter(value, node, key);
      else if (Array.isArray(value)) for (const item of value) if (isNode(item)) enter(item, node, key);
    }
  };
  enter(program, undefined, '');
  return visits;
}

/** The name of an identifier node; undefined for anything else. */
export function nameOf(node: unknown): string | undefined {
  return isNode(node) && node.type === 'Identifier' ? (node['name'] as string) : undefined;
}

/** The value of a string literal node. */
export function literal(node: unknown): string | undefined {
  return isNode(node) && node.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined;
}

/**
 * Uses of free names, as `Date` or `Date.now`: an identifier that is not a property, a key or a declaration, and is not
 * declared anywhere in the file.
 */
export function* globalUses(source: Source): Generator<{ name: string; called: SyntaxNode | undefined; line: number }> {
  const declared = declaredNames(source.program);
  const lineAt = lineCounter(source.text);
  for (const visit of walk(source.program)) {
    const name = nameOf(visit.node);
    if (name === undefined || declared.has(name) || !isReference(visit)) continue;
    const { parent, field } = visit;
    const line = lineAt(visit.node.start);
    if (parent?.type === 'MemberExpression' && field === 'object') {
      const property = parent['computed'] === true ? literal(parent['property']) : nameOf(parent['property']);
      yield { name: `${name}.${property ?? '*'}`, called: undefined, line };
    } else {
      const called = field === 'callee' ? parent : undefined;
      yield { name, called, line };
    }
  }
}

function isReference({ parent, field }: Visit): boolean {
  if (parent === undefined) return false;
  if (parent.type.startsWith('TS') && !/^TS(As|Satisfies|NonNull)/.test(parent.type)) return false;
  if (parent.type === 'MemberExpression') return field === 'object' || parent['computed'] === true;
  if (/^(Property|MethodDefinition|PropertyDefinition)$/.test(parent.type)) {
    return field === 'value' || parent['computed'] === true || parent['shorthand'] === true;
  }
  return !/^(Import|Export)\w*Specifier$|Label|BreakStatement|ContinueStatement/.test(parent.type);
}

/** Names that the file itself declares: variables, parameters, functions, classes, imports. */
function declaredNames(program: SyntaxNode): Set<string> {
  const names = new Set<string>();
  for (const { node } of walk(program)) {
    for (const field of ['id', 'local', 'param', 'params']) {
      const target = node[field];
      if (target === undefined || target === null) continue;
      for (const part of [target].flat()) for (const name of boundNames(part)) names.add(name);
    }
  }
  return names;
}

function* boundNames(target: unknown): Generator<string> {
  const name = nameOf(target);
  if (name !== undefined) yield name;
  else if (isNode(target)) {
    const parts = [
      target['properties'],
      target['elements'],
      target['left'],
      target['argument'],
      target['value'],
    ].flat();
    for (const part of parts) yield* boundNames(part);
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

type LineAt = (offset: number) => number;

/** Line (from 1) of an offset. */
export function lineCounter(text: string): LineAt {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}
