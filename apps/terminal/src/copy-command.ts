/** `securechat backup` and `securechat restore`, of a server or of a profile: flags in, sentences out. */
import { backUpProfile, restoreProfile, verifyProfile } from '@securechat/client';
import { loadConfig, makeBackup, restoreBackup, verifyBackup } from '@securechat/server';
import type { BackupReport } from '@securechat/server';
import { SecureChatError } from '@securechat/client';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes } from './byte-size.ts';
import { exitCodes } from './exit-codes.ts';
import { jsonLine } from './json-line.ts';
import { placesOf } from './places.ts';

type Env = Readonly<Record<string, string | undefined>>;
type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** Exit code 1 when a backup that was to be verified cannot be put back. */
export async function runBackup(folder: string, flags: Flags, env: Env, home: string): Promise<number> {
  const { profile } = flags;
  if (flags['verify'] === true) {
    // What it is a backup of shows in it.
    if (existsSync(join(folder, 'accounts'))) return told(flags, verifyProfile(folder), profileSentence);
    return told(flags, await verifyBackup(folder, passphraseOf(flags)), serverSentence);
  }
  if (typeof profile === 'string') {
    const { accounts } = await backUpProfile(placesOf(env, home, profile).profileDirectory, folder);
    return told(flags, { problems: [], accounts }, profileSentence);
  }
  const passphrase = passphraseOf(flags);
  const how = { nowMs: Date.now(), ...(passphrase !== undefined && { passphrase }) };
  return told(flags, await makeBackup(dataOf(flags, env, home), folder, how), serverSentence);
}

export async function runRestore(folder: string, flags: Flags, env: Env, home: string): Promise<number> {
  const { profile } = flags;
  if (typeof profile === 'string') {
    const { accounts } = await restoreProfile(folder, placesOf(env, home, profile).profileDirectory);
    return told(
      flags,
      { problems: [], accounts },
      () => 'The profile is back. Never use it and another copy of it at once.',
    );
  }
  const data = dataOf(flags, env, home);
  return told(flags, await restoreBackup(folder, data, passphraseOf(flags)), ({ madeAt, fingerprint }) =>
    [
      `The server of ${madeAt} is back in ${data}, under the same fingerprint ${fingerprint}.`,
      'Clients are told at their next connection. What was sent since then is lost unless its sender repeats it;',
      'invites are void, and whoever registered or reset keys since has to do so again.',
    ].join('\n'),
  );
}

/** The first line of the file. */
function passphraseOf(flags: Flags): string | undefined {
  const path = flags['passphraseFile'];
  if (typeof path !== 'string') return undefined;
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/, 1)[0] ?? '';
  } catch (cause) {
    throw new SecureChatError('USAGE', { text: `The file ${path} with the pass phrase cannot be read.` }, { cause });
  }
}

function dataOf(flags: Flags, env: Env, home: string): string {
  return loadConfig({ flags: { data: flags['data'] }, env, home }).data;
}

function told<T extends { readonly problems: readonly string[] }>(
  flags: Flags,
  report: T,
  sentence: (report: T) => string,
): number {
  const { problems } = report;
  if (flags['json'] === true) process.stdout.write(`${jsonLine(report)}\n`);
  else if (problems.length === 0) process.stdout.write(`${sentence(report)}\n`);
  else for (const problem of problems) process.stderr.write(`${problem}\n`);
  return problems.length === 0 ? exitCodes.ok : exitCodes.unexpected;
}

function serverSentence({ madeAt, fingerprint, accounts, rows, files, bytes, sealed }: BackupReport): string {
  return [
    `Backup of ${madeAt}: sound. ${accounts} accounts, ${rows} undelivered rows, ${files} files, ${formatBytes(bytes)}.`,
    `Fingerprint ${fingerprint}. It holds the keys of the server and what guessing at passwords needs: ` +
      (sealed ? 'nothing without its pass phrase.' : 'keep it as safe as the server itself.'),
  ].join('\n');
}

function profileSentence({ accounts }: { readonly accounts: number }): string {
  return `Backup of a profile: sound. ${accounts} ${accounts === 1 ? 'account' : 'accounts'}, encrypted under its password.`;
}
