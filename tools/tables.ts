/**
 * The tables of codes and limits promise that each row is in force: a code that nothing raises, or a limit that nothing
 * checks and no test names, is a row that lies.
 */
import { literal, nameOf, walk } from './source.ts';
import type { Source, Violation } from './source.ts';

export interface Tables {
  readonly codes: readonly string[];
  readonly limits: readonly string[];
}

const tableFiles = /^packages\/wire\/src\/(codes|limits)\.ts$/;

export function checkTables(sources: readonly Source[], tables: Tables): Violation[] {
  const inSource = wordsOf(sources.filter(({ path }) => /\/src\//.test(path) && !tableFiles.test(path)));
  const inTests = wordsOf(sources.filter(({ path }) => /\/test\//.test(path)));
  const codes = 'packages/wire/src/codes.ts';
  const limits = 'packages/wire/src/limits.ts';
  return [
    ...tables.codes.filter((code) => !inSource.has(code)).map((code) => row(codes, `${code} is raised nowhere`)),
    ...tables.limits.filter((name) => !inSource.has(name)).map((name) => row(limits, `${name} is checked nowhere`)),
    ...tables.limits.filter((name) => !inTests.has(name)).map((name) => row(limits, `${name} is named in no test`)),
  ];
}

function row(path: string, text: string): Violation {
  return { path, line: 1, text };
}

/** Every identifier and every string literal. */
function wordsOf(sources: readonly Source[]): Set<string> {
  const words = new Set<string>();
  for (const source of sources) {
    for (const { node } of walk(source.program)) {
      const word = nameOf(node) ?? literal(node);
      if (word !== undefined) words.add(word);
    }
  }
  return words;
}
