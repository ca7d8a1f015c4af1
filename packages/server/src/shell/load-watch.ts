/** Watches whether the machine keeps up (core/strain.ts): one log line at each change, none in between. */
import { totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Limits } from '@securechat/wire';
import type { MachineReading } from '../core/strain.ts';
import { calm, halveCredits, nextStrain } from '../core/strain.ts';
import type { Log } from '../log.ts';

const READ_EVERY_MS = 3000;
const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;

export interface Machine {
  /** How often it is looked at: each reading covers the time since the one before. */
  readonly everyMs: number;
  read(): MachineReading;
  close(): void;
}

export function thisMachine(): Machine {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // 0: no cgroup says anything.
  const memoryBytes = Math.min(totalmem(), process.constrainedMemory() || Infinity);
  return {
    everyMs: READ_EVERY_MS,
    read() {
      // What is measured is the time between two looks, which are a resolution apart.
      const delayMs = delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) / NS_PER_MS - RESOLUTION_MS);
      delay.reset();
      return { delayMs, rssBytes: process.memoryUsage.rss(), memoryBytes };
    },
    close: () => void delay.disable(),
  };
}

export class LoadWatch {
  readonly #limits: Limits;
  readonly #halved: Limits;
  readonly #log: Log;
  #strain = calm;

  constructor(limits: Limits, log: Log) {
    this.#limits = limits;
    this.#halved = halveCredits(limits);
    this.#log = log;
  }

  /** The limits in force now. */
  get limits(): Limits {
    return this.#strain.late ? this.#halved : this.#limits;
  }

  /** Nobody new is let in. */
  get crowded(): boolean {
    return this.#strain.crowded;
  }

  note(reading: MachineReading): void {
    const before = this.#strain;
    const now = nextStrain(before, reading, this.#limits);
    this.#strain = now;
    const ms = Math.round(reading.delayMs);
    if (now.late && !before.late) this.#log.warn('event loop late: credits halved', { ms });
    if (!now.late && before.late) this.#log.info('event loop in time again', { ms });
    const mebibytes = Math.round(reading.rssBytes / 2 ** 20);
    if (now.crowded && !before.crowded) this.#log.warn('memory short: no new connections', { mebibytes });
    if (!now.crowded && before.crowded) this.#log.info('memory enough again', { mebibytes });
  }

  /** Answers with how to stop it. */
  start(machine: Machine): () => void {
    const timer = setInterval(() => this.note(machine.read()), machine.everyMs).unref();
    return () => {
      clearInterval(timer);
      machine.close();
    };
  }
}
