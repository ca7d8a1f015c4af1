/**
 * Which blocks of `packages/mls/src` were run. To be imported before anything else: V8 counts blocks of functions alone
 * that were compiled after this.
 */
import { Session } from 'node:inspector';
import type { Profiler } from 'node:inspector';

const session = new Session();
const reached = new Set<string>();

session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** For another target, to which the ways of this one are new. */
export function forgetBlocks(): void {
  newBlocks();
  reached.clear();
}

/** How many were run since the last call that never were before. */
export function newBlocks(): number {
  const known = reached.size;
  // Called back before `post` returns: the session is of this very thread.
  session.post('Profiler.takePreciseCoverage', (error, answer) => {
    if (error !== null) throw error;
    for (const script of answer.result) if (script.url.includes('/packages/mls/src/')) note(script);
  });
  return reached.size - known;
}

export function blocksReached(): number {
  return reached.size;
}

function note({ url, functions }: Profiler.ScriptCoverage): void {
  for (const { ranges } of functions)
    for (const { startOffset, endOffset, count } of ranges)
      if (count > 0) reached.add(`${url.slice(-40)} ${startOffset} ${endOffset}`);
}
