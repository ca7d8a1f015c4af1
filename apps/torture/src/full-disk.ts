/** The disk of one process is full for a moment. Nothing is restarted: what runs has to come out of it by itself. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { between, has, isRoot, must, oneOf, rounds } from './fault.ts';
import { makeWorld } from './world.ts';

/** A server keeps 16 MiB of its disk as ballast, and compiled code lies there as well. */
const sizes = { server: '48m', anna: '16m', bert: '16m' } as const;

export const fullDisk: Fault = {
  name: 'full disk',
  skip() {
    if (!isRoot()) return 'needs root';
    return has('unshare', '-m', 'true') ? undefined : 'needs mounts';
  },
  async run(budget) {
    const folder = mkdtempSync(join(tmpdir(), 'securechat-full-'));
    const homes = { server: join(folder, 'server'), anna: join(folder, 'anna'), bert: join(folder, 'bert') };
    const mounted: string[] = [];
    try {
      for (const who of ['server', 'anna', 'bert'] as const) {
        mkdirSync(homes[who]);
        must('mount', '-t', 'tmpfs', '-o', `size=${sizes[who]},mode=700`, 'tmpfs', homes[who]);
        mounted.push(homes[who]);
      }
      return await rounds(await makeWorld({ homes }), budget, async (world) => {
        await world.progress(10, 20_000);
        const who = oneOf(budget.random, ['server', 'anna', 'bert']);
        const filler = join(homes[who], 'filler');
        fill(filler);
        await sleep(between(budget.random, 300, 2500));
        rmSync(filler);
        await world.progress(10, 40_000);
        return 1;
      });
    } finally {
      for (const path of mounted) must('umount', '-l', path);
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (const size of [1024 * 1024, 4096, 1])
      for (;;) {
        try {
          if (writeSync(file, Buffer.alloc(size)) < size) break;
        } catch {
          break;
        }
      }
  } finally {
    closeSync(file);
  }
}
