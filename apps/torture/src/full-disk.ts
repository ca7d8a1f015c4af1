/** The disk of one process is full for a moment. Nothing is restarted: what runs has to come out of it by itself. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { between, has, isRoot, must, oneOf } from './fault.ts';

/** A server keeps 16 MiB of its disk as ballast, and compiled code lies there as well. */
const sizes = { server: '48m', anna: '16m', bert: '16m' } as const;

export const fullDisk: Fault = {
  name: 'full disk',
  unable() {
    if (!isRoot()) return 'needs root';
    return has('unshare', '-m', 'true') ? undefined : 'needs mounts';
  },
  prepare(random) {
    const folder = mkdtempSync(join(tmpdir(), 'securechat-full-'));
    const homes = { server: join(folder, 'server'), anna: join(folder, 'anna'), bert: join(folder, 'bert') };
    for (const who of ['server', 'anna', 'bert'] as const) {
      mkdirSync(homes[who]);
      must('mount', '-t', 'tmpfs', '-o', `size=${sizes[who]},mode=700`, 'tmpfs', homes[who]);
    }
    return {
      settings: { homes },
      async round(world) {
        await world.progress(10, 20_000);
        // Where another fault has put the world, that place is filled.
        const filler = join(world.homeOf(oneOf(random, ['server', 'anna', 'bert'])), 'filler');
        fill(filler);
        await sleep(between(random, 300, 2500));
        rmSync(filler);
        await world.progress(10, 40_000);
        return 1;
      },
      remove() {
        for (const path of Object.values(homes)) must('umount', '-l', path);
        rmSync(folder, { recursive: true, force: true });
      },
    };
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
