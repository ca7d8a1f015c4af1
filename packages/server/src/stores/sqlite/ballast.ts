/**
 * Space kept for a full disk. When a write fails for want of room, the ballast goes and acknowledgements, attaches and
 * the checkpoint have what it held; new messages are refused until it could be laid down again.
 */
import { closeSync, existsSync, fsyncSync, openSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemEntropy } from '@securechat/crypto';

/**
 * More than the log between two checkpoints (4 MiB) and the largest group of a commit (about 5 MiB) together: the
 * checkpoint that makes room again may have to write all of it into the database first.
 */
export const BALLAST_BYTES = 16 * 1024 * 1024;
/** Free space above the ballast before it is laid down again, so that it does not come and go. */
const MARGIN_BYTES = 8 * 1024 * 1024;
const RETRY_MS = 1000;

export class Ballast {
  readonly #path: string;
  readonly #bytes: number;
  #laid = false;
  #triedAtMs = -Infinity;

  constructor(directory: string, bytes = BALLAST_BYTES) {
    this.#path = join(directory, 'ballast');
    this.#bytes = bytes;
  }

  get released(): boolean {
    return !this.#laid;
  }

  release(): void {
    this.#laid = false;
    this.#triedAtMs = -Infinity;
    try {
      unlinkSync(this.#path);
    } catch {
      // It is gone already, or the disk refuses; either way there is nothing more to give.
    }
  }

  /**
   * True when the ballast lies there afterwards. Tries at most once a second, and lets `reclaim` give back first what the
   * database does not use any more.
   */
  restore(monotonicMs: number, reclaim?: () => void): boolean {
    if (this.#laid) return true;
    if (monotonicMs - this.#triedAtMs < RETRY_MS) return false;
    this.#triedAtMs = monotonicMs;
    try {
      if (existsSync(this.#path) && statSync(this.#path).size === this.#bytes) return (this.#laid = true);
      reclaim?.();
      const { bavail, bsize } = statfsSync(join(this.#path, '..'));
      if (bavail * bsize < this.#bytes + Math.min(MARGIN_BYTES, this.#bytes)) return false;
      this.#lay();
      return (this.#laid = true);
    } catch {
      this.release();
      this.#triedAtMs = monotonicMs;
      return false;
    }
  }

  /** Random bytes: a file system that compresses would make nothing of zeros. */
  #lay(): void {
    const file = openSync(this.#path, 'w', 0o600);
    try {
      const block = systemEntropy(Math.min(this.#bytes, 256 * 1024));
      for (let at = 0; at < this.#bytes; at += block.length)
        writeSync(file, block, 0, Math.min(block.length, this.#bytes - at));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
