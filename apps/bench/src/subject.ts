/** A server under measurement: its process on a core of its own, when it was ready, and what it has used. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Subject {
  readonly pid: number;
  /** Milliseconds from the start of the process to its `ready` line. */
  readonly readyMs: number;
  /** The `ready` line. */
  readonly ready: Readonly<Record<string, string>>;
  /** CPU time of all threads since the start, in milliseconds; resolution 10 ms. */
  cpuMs(): number;
  /** Resident memory in bytes. */
  residentBytes(): number;
  /** TERM, and waits for the end. */
  stop(): Promise<void>;
}

const SUBJECT_CORE = '0';
const canPin = spawnSync('taskset', ['--version']).status === 0;

/** `args` of this same Node. Throws when the process ends before it is ready. */
export async function startSubject(args: readonly string[]): Promise<Subject> {
  const pin = canPin ? ['taskset', '-c', SUBJECT_CORE] : [];
  const [command = '', ...rest] = [...pin, process.execPath, ...args];
  const started = performance.now();
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code]: unknown[]) => {
    throw new Error(`${args.join(' ')} ended with ${String(code)} before it was ready`);
  });
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as [string];
  const readyMs = performance.now() - started;
  ended.catch(() => undefined);
  const pid = child.pid ?? 0; // taskset replaces itself, so this is the server
  return {
    pid,
    readyMs,
    ready: JSON.parse(line) as Record<string, string>,
    cpuMs: () => cpuMs(readFileSync(`/proc/${pid}/stat`, 'utf8')),
    residentBytes: () => residentBytes(readFileSync(`/proc/${pid}/status`, 'utf8')),
    stop: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

/** Keeps the load off the core of the subject. */
export function pinLoad(): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)]);
}

/** Linux counts in hundredths of a second (USER_HZ), on every architecture. */
const TICK_MS = 10;

/** User and system time of `/proc/PID/stat`, fields 14 and 15; the name in field 2 may hold blanks and brackets. */
export function cpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** VmRSS of `/proc/PID/status`. */
export function residentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024;
}
