/**
 * The cores take time and randomness as arguments and touch nothing outside: what is deterministic can be tested to
 * death and simulated from a seed.
 */
import { globalUses } from './source.ts';
import type { Source, Violation } from './source.ts';

/** mls brings a provider over Node, in one file: it is the caller's to pass in. */
const pureRooms =
  /^packages\/(wire|session|keylog)\/src\/|^packages\/mls\/src\/(?!crypto\/node-provider\.ts$)|^packages\/[^/]+\/src\/core\//;

const impureNames: Readonly<Record<string, string>> = {
  'Date.now': 'the clock',
  'Math.random': 'randomness',
  performance: 'the clock',
  process: 'the process',
  crypto: 'randomness and keys',
  globalThis: 'every global',
  setTimeout: 'a timer',
  setInterval: 'a timer',
  setImmediate: 'a timer',
  queueMicrotask: 'a timer',
  fetch: 'the network',
  WebSocket: 'the network',
  Buffer: 'Node',
  console: 'the terminal',
};

const impureImports: Readonly<Record<string, string>> = { systemEntropy: 'randomness', ws: 'the network' };

export function checkPurity(sources: readonly Source[]): Violation[] {
  return sources.filter((source) => pureRooms.test(source.path)).flatMap((source) => [...impurities(source)]);
}

function* impurities(source: Source): Generator<Violation> {
  const at = (line: number, what: string, why: string | undefined): Violation => ({
    path: source.path,
    line,
    text: `${what} in a pure room: ${why ?? 'outside'} comes in as an argument`,
  });
  for (const found of source.imports) {
    if (found.specifier.startsWith('node:')) yield at(found.line, found.specifier, 'the system');
    for (const name of [found.specifier, ...found.names]) {
      if (Object.hasOwn(impureImports, name)) yield at(found.line, name, impureImports[name]);
    }
  }
  for (const use of globalUses(source)) {
    const object = use.name.split('.')[0] ?? '';
    const known = [use.name, object].find((name) => Object.hasOwn(impureNames, name));
    if (known !== undefined) yield at(use.line, use.name, impureNames[known]);
    const now = use.called !== undefined && (use.called['arguments'] as unknown[]).length === 0;
    if (use.name === 'Date' && (now || use.called?.type === 'CallExpression'))
      yield at(use.line, 'new Date()', 'the clock');
  }
}
