/** SecureChat's server as the subject of a measurement: as users start it, with limits that do not stop the load. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as LimitsModule from '@securechat/wire';
import { startSubject } from './subject.ts';
import type { Subject } from './subject.ts';

const OWN_CHECKOUT = join(import.meta.dirname, '../../..');

/** Limits that pace one person or one address; those that bound memory stay as they are. */
const PACED =
  /Per(Second|Minute|Hour|Day)$|Burst$|^registrations|^connectionsPerAddress|^unauthenticated|^loginFailuresFree|^inviteUses/;

/** Starts on a data folder, or on a fresh one; port 0 on loopback for both transports. `checkout`: whose server it is. */
export async function startChatServer(
  folder: string,
  rsaBits: number,
  checkout = OWN_CHECKOUT,
  flags: readonly string[] = [],
): Promise<Subject> {
  // Another checkout has a table of its own.
  const { limits } = (await import(join(checkout, 'packages/wire/src/limits.ts'))) as typeof LimitsModule;
  const paced = Object.entries(limits).filter(([name, { scope }]) => PACED.test(name) && scope === 'server');
  const limitFlags = paced.flatMap(([name]) => ['--limit', `${name}=1000000000`]);
  const listeners = ['--listen', '127.0.0.1:0', '--listen-tcp', '127.0.0.1:0'];
  return startSubject([
    join(checkout, 'apps/terminal/bin/securechat.js'),
    'server',
    '--json',
    '--data',
    join(folder, 'data'),
    '--rsa-bits',
    String(rsaBits),
    '--log-level',
    'error',
    ...listeners,
    ...limitFlags,
    ...flags,
  ]);
}

/** Runs with an empty folder that is removed afterwards. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'securechat-bench-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
