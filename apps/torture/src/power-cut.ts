/**
 * The power goes: a file system that forgets everything not yet synced, by the shutdown ioctl of ext4 on a loop mount,
 * then kill -9, unmount, mount again.
 */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { between, has, isRoot, must, oneOf } from './fault.ts';

const IMAGE_BYTES = 80 * 1024 * 1024;

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. */
const cutScript =
  'import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587d,struct.pack("I",2))';

export const powerCut: Fault = {
  name: 'power cut',
  unable() {
    if (!isRoot()) return 'needs root';
    if (!has('python3', '-c', 'import fcntl')) return 'needs python3 for the ioctl';
    if (!has('mkfs.ext4', '-V')) return 'needs mkfs.ext4';
    mountable ??= canMount();
    return mountable ? undefined : 'needs loop mounts';
  },
  prepare(random) {
    const folder = mkdtempSync(join(tmpdir(), 'securechat-disks-'));
    const disks = {
      server: new Disk(folder, 'server'),
      anna: new Disk(folder, 'anna'),
      bert: new Disk(folder, 'bert'),
    };
    return {
      settings: { homes: { server: disks.server.path, anna: disks.anna.path, bert: disks.bert.path } },
      async round(world) {
        await world.progress(1, 10_000);
        await sleep(between(random, 50, 600));
        const who = oneOf(random, ['server', 'anna', 'bert']);
        disks[who].cut();
        await world.kill(who);
        disks[who].again();
        await world.revive(who);
        return 1;
      },
      remove() {
        for (const disk of Object.values(disks)) disk.remove();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

let mountable: boolean | undefined;

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'securechat-disk-'));
  try {
    new Disk(folder, 'probe').remove();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Disk {
  readonly path: string;
  readonly #image: string;

  constructor(folder: string, name: string) {
    this.path = join(folder, name);
    this.#image = join(folder, `${name}.img`);
    mkdirSync(this.path);
    writeFileSync(this.#image, '');
    truncateSync(this.#image, IMAGE_BYTES);
    must('mkfs.ext4', '-q', '-F', this.#image);
    this.#mount();
  }
  #mount(): void {
    must('mount', '-o', 'loop', this.#image, this.path);
  }
  cut(): void {
    must('python3', '-c', cutScript, this.path);
  }
  again(): void {
    must('umount', this.path);
    this.#mount();
  }
  remove(): void {
    must('umount', '-l', this.path);
    rmSync(this.#image);
  }
}
