/** The working group's vectors, read from outside the repository; a test that finds none says so and is skipped. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import type { Suite } from '../src/crypto/suite.ts';
import { isSuiteId, suiteOf } from '../src/crypto/suite.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';

const folder =
  process.env['SECURECHAT_VECTORS'] ?? join(import.meta.dirname, '..', '..', '..', '..', 'shared', 'vectors');

export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Undefined, and the test skipped, where the vectors are not at hand. */
export function vectorsOf<T>(t: TestContext, name: string): readonly T[] | undefined {
  const path = join(folder, 'mls', `${name}.json`);
  if (!existsSync(path)) {
    t.skip(`vectors not at hand: ${path}`);
    return undefined;
  }
  return JSON.parse(readFileSync(path, 'utf8')) as readonly T[];
}

/** Names of the working group's files, without their ending. */
export function vectorFilesOf(t: TestContext): readonly string[] | undefined {
  const path = join(folder, 'mls');
  if (existsSync(path)) return readdirSync(path).flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -5)] : []));
  t.skip(`vectors not at hand: ${path}`);
  return undefined;
}

/** Runs each vector of a suite of ours, names the suites passed over, and insists on at least `atLeast`. */
export function eachOfOurs<T extends { readonly cipher_suite: number }>(
  t: TestContext,
  name: string,
  atLeast: number,
  run: (vector: T, suite: Suite, index: number) => void,
): void {
  const vectors = vectorsOf<T>(t, name);
  if (vectors === undefined) return;
  const passedOver = new Set<number>();
  let count = 0;
  vectors.forEach((vector, index) => {
    if (!isSuiteId(vector.cipher_suite)) {
      passedOver.add(vector.cipher_suite);
      return;
    }
    run(vector, suiteOf(nodeProvider, vector.cipher_suite), index);
    count++;
  });
  assert.ok(count >= atLeast, `${name}: ${count} of at least ${atLeast} vectors`);
  t.diagnostic(`${name}: ${count} vectors; suites passed over: ${[...passedOver].join(', ') || 'none'}`);
}
