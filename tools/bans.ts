/** What is not written here: each ban with its reason in one line. */
import { globalUses, lineCounter, literal, nameOf, walk } from './source.ts';
import type { Source, Violation } from './source.ts';

const isTest = (path: string): boolean => /(^|\/)test\//.test(path);
const isLibrary = (path: string): boolean => /^packages\/[^/]+\/src\//.test(path);

/** Files that may skip a case, and why. Files that read third-party vectors may too: `tools/test.ts` watches those. */
const skippers: Readonly<Record<string, string>> = {
  'apps/terminal/test/launcher.test.ts': 'needs a system Node below the floor',
  'apps/terminal/test/rpc-pair.test.ts': 'needs openssl',
  'apps/terminal/test/terminal-real.test.ts': 'needs tmux',
  'apps/terminal/test/terminal.test.ts': 'needs tmux',
  'packages/server/test/long/sqlite-faults.test.ts': 'needs mount and strace',
  'apps/terminal/test/any-bytes.test.ts': 'TLS ports need openssl',
  'apps/terminal/test/full-disk.test.ts': 'a small disk is mounted, as root',
  'apps/terminal/test/bad-input.test.ts': 'root reads every file, unless it can be nobody',
  'apps/terminal/test/bad-start.test.ts': 'certificates need openssl',
  'apps/terminal/test/doctor.test.ts': 'a certificate needs openssl',
};

/** Node's reporter interface wants a default export. */
const defaultExports: readonly string[] = ['tools/reporter.ts'];

/** Only a composition root reads the environment. */
const environmentReaders: readonly string[] = ['packages/server/src/main.ts'];

export function checkBans(sources: readonly Source[]): Violation[] {
  return sources.flatMap((source) => [
    ...syntaxBans(source),
    ...commentBans(source),
    ...importBans(source),
    ...globalBans(source),
  ]);
}

function* syntaxBans(source: Source): Generator<Violation> {
  const lineAt = lineCounter(source.text);
  for (const { node, parent } of walk(source.program)) {
    const say = (text: string): Violation => ({ path: source.path, line: lineAt(node.start), text });
    // `any` switches the checker off for everything it touches; `unknown` does not.
    if (node.type === 'TSAnyKeyword') yield say('any');
    // A default has no name, and a rename misses it.
    if (node.type === 'ExportDefaultDeclaration' && !defaultExports.includes(source.path)) yield say('export default');
    if (node.type === 'ThrowStatement' && literal(node['argument']) !== undefined) yield say('a thrown string');
    if (isTest(source.path)) {
      // `.only` hides every other test, `.skip` hides this one.
      const call = parent?.type === 'CallExpression' && parent['callee'] === node;
      const member = node.type === 'MemberExpression' && call ? nameOf(node['property']) : undefined;
      const option = node.type === 'Property' ? nameOf(node['key']) : undefined;
      const word = member ?? option;
      if (word === 'only' || word === 'todo') yield say(`${word} in a test`);
      if (word === 'skip' && !maySkip(source))
        yield say('skip in a test: list the file in tools/bans.ts, with its reason');
    }
  }
}

function maySkip(source: Source): boolean {
  return Object.hasOwn(skippers, source.path) || readsVectors(source);
}

/** True for a test file that reads third-party vectors, itself or through a neighbour that says so. */
export function readsVectors(source: Source): boolean {
  return (
    source.text.includes('SECURECHAT_VECTORS') || source.imports.some(({ specifier }) => /vectors\.ts$/.test(specifier))
  );
}

function* commentBans(source: Source): Generator<Violation> {
  for (const { text, line } of source.comments) {
    const word = /\b(TODO|FIXME|XXX|HACK)\b|@ts-(?:ignore|nocheck)/.exec(text)?.[0];
    if (word !== undefined) yield { path: source.path, line, text: `${word} in a comment` };
    if (text.includes('@ts-expect-error') && !isTest(source.path)) {
      yield { path: source.path, line, text: '@ts-expect-error outside tests' };
    }
  }
}

function* importBans(source: Source): Generator<Violation> {
  for (const found of source.imports) {
    // `export *` hides what was promised.
    if (found.kind === 'export-all')
      yield { path: source.path, line: found.line, text: `export * from ${found.specifier}` };
  }
}

function* globalBans(source: Source): Generator<Violation> {
  if (!isLibrary(source.path)) return;
  for (const use of globalUses(source)) {
    const say = (text: string): Violation => ({ path: source.path, line: use.line, text });
    if (use.name.startsWith('console')) yield say(`${use.name} in a package: the caller decides what is printed`);
    if (use.name.startsWith('process.env') && !environmentReaders.includes(source.path)) {
      yield say('process.env in a package: only a composition root reads the environment');
    }
  }
}

const emptyNames = /^(common|utils?|helpers?|shared|types|misc|lib)$/;

/** A thing without a home has not been understood yet. */
export function checkNames(paths: readonly string[]): Violation[] {
  return paths
    .filter((path) => path.split('/').some((part) => emptyNames.test(part.replace(/(\.test)?\.[a-z]+$/, ''))))
    .map((path) => ({ path, line: 1, text: 'a folder or file name that says nothing' }));
}

const foreignPlaces: readonly [RegExp, string][] = [
  [/(?<![\w.$}/-])\/(work|root|home\/\w+|Users\/\w+)\//, 'a path of one machine'],
  [/https?:\/\/(localhost|127\.0\.0\.1):(4873|8081)|registry\.(npmjs|yarnpkg)|\/artifactory\//, 'a package registry'],
];

/** Text files name no machine and no registry: they have to be true on every machine. */
export function checkPlaces(files: readonly { readonly path: string; readonly text: string }[]): Violation[] {
  return files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        foreignPlaces
          .filter(([pattern]) => pattern.test(line))
          .map(([, what]) => ({ path, line: index + 1, text: what })),
      ),
  );
}
