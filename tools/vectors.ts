/**
 * Third-party vectors lie outside the repository. Tests that find none skip with one line; where SECURECHAT_VECTORS says
 * that they are there, a skip or a file without a case is a fault.
 */
import type { Tally } from './reporter.ts';

/** `vectorFiles`: test files that read vectors. One text per fault. */
export function vectorFaults(vectorFiles: readonly string[], files: Tally['files']): string[] {
  if (vectorFiles.length === 0) return ['no test reads third-party vectors'];
  return vectorFiles.flatMap((path) => {
    const found = files[path];
    const skipped = (found?.skipped ?? []).filter((reason) => /vector/i.test(reason));
    const idle = (found?.ran ?? 0) === 0 ? [`${path}: no case ran`] : [];
    return [...idle, ...skipped.map((reason) => `${path}: skipped: ${reason}`)];
  });
}
