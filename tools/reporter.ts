/**
 * Node's spec report without its closing table, which `tools/test.ts` prints once for all runs. What the table would
 * have said, which files ran or skipped cases, and what failed, goes as JSON to the file named by SECURECHAT_TEST_TALLY.
 */
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/** The rows of the closing table, in its order. */
export const tallyRows = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms'] as const;

export interface Tally {
  readonly rows: Record<string, number>;
  /** Per test file: cases that ran to the end, and reasons of those skipped. */
  readonly files: Record<string, { ran: number; skipped: string[] }>;
  /** Name and first lines of the error; a test is not named for the failure of one inside it. */
  readonly failures: string[];
}

/** What there is to know stands at the beginning of an error, before the stack leaves the file. */
const ERROR_LINES_MAX = 10;

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const tally: Tally = { rows: {}, files: {}, failures: [] };
  const shown = async function* (): AsyncGenerator<TestEvent> {
    for await (const event of events) if (!count(event, tally)) yield event;
  };
  yield* Readable.from(shown()).compose(new spec()) as AsyncIterable<string>;
  const path = process.env['SECURECHAT_TEST_TALLY'];
  if (path !== undefined) writeFileSync(path, JSON.stringify(tally));
}

/** True for an event that belongs to the closing table. */
function count(event: TestEvent, tally: Tally): boolean {
  if (event.type === 'test:pass' || event.type === 'test:fail') {
    const file = (tally.files[event.data.file ?? ''] ??= { ran: 0, skipped: [] });
    const { skip } = event.data;
    if (skip === undefined || skip === false) file.ran += 1;
    else file.skipped.push(`${event.data.name}: ${skip === true ? 'no reason given' : skip}`);
  }
  if (event.type === 'test:fail') tally.failures.push(...failureOf(event.data));
  if (event.type !== 'test:diagnostic' || event.data.nesting !== 0) return false;
  const [, row = '', value = ''] = /^(\w+) ([\d.]+)$/.exec(event.data.message) ?? [];
  if (!(tallyRows as readonly string[]).includes(row)) return false;
  tally.rows[row] = Number(value);
  return true;
}

function failureOf({ name, file, details }: Extract<TestEvent, { type: 'test:fail' }>['data']): string[] {
  const error: Error & { failureType?: string } = details.error;
  // A file as a whole fails for what the process printed, not for what the runner says of it.
  if (error.failureType === 'subtestsFailed' || file?.endsWith(name) === true) return [];
  const lines = inspect(error.cause ?? error).split('\n');
  return [`✖ ${name}\n${lines.slice(0, ERROR_LINES_MAX).join('\n').replace(/^/gm, '  ')}`];
}
