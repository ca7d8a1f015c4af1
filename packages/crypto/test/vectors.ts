/** Wycheproof files, read where they lie (SECURECHAT_VECTORS, or beside the repository); undefined where absent. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface WycheproofCase {
  readonly tcId: number;
  readonly comment: string;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly [field: string]: unknown;
}

export interface WycheproofGroup {
  readonly tests: readonly WycheproofCase[];
  readonly [field: string]: unknown;
}

const folder = join(
  process.env['SECURECHAT_VECTORS'] ?? join(import.meta.dirname, '../../../../shared/vectors'),
  'wycheproof',
);

export const vectorsPresent = existsSync(folder);

/** For `test(name, { skip }, …)`. */
export const skip = vectorsPresent ? false : 'third-party vectors are absent';

export function groupsOf(name: string): readonly WycheproofGroup[] {
  return (JSON.parse(readFileSync(join(folder, `${name}_test.json`), 'utf8')) as { testGroups: WycheproofGroup[] })
    .testGroups;
}

export function hex(value: unknown): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(value as string, 'hex'));
}

export function cases(name: string): { readonly group: WycheproofGroup; readonly one: WycheproofCase }[] {
  return groupsOf(name).flatMap((group) => group.tests.map((one) => ({ group, one })));
}
