/** `securechat doctor`: what is found about a server's folder or a profile, each line with what to do. */
import { examineProfile } from '@securechat/client';
import type { Finding } from '@securechat/client';
import { examineServer, loadConfig } from '@securechat/server';
import { exitCodes } from './exit-codes.ts';
import { jsonLine } from './json-line.ts';
import { givenPassword } from './password.ts';
import { sanitizeLine } from './sanitize.ts';
import type { Settings } from './settings.ts';

type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** Exit code 0 when nothing has to be done, 1 otherwise. */
export async function runServerDoctor(
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): Promise<number> {
  const { data, limits } = loadConfig({ flags: { data: flags['data'] }, env, home });
  const cert = flags['tlsCert'] ?? env['SECURECHAT_TLS_CERT'];
  const tlsCertFile = typeof cert === 'string' && cert !== '' ? cert : undefined;
  return tell(await examineServer({ data, limits, tlsCertFile, nowMs: Date.now() }), flags);
}

/** With a user and a password it looks inside as well. */
export async function runProfileDoctor(settings: Settings, flags: Flags): Promise<number> {
  const { profileDirectory, server, user } = settings;
  const { password } = user === undefined ? { password: undefined } : await givenPassword(settings, process.stdin);
  const account = user !== undefined && password !== undefined ? { server, username: user, password } : undefined;
  const found = await examineProfile({
    profileDirectory,
    nowMs: Date.now(),
    ...(account !== undefined && { account }),
  });
  const closed: Finding = {
    level: 'note',
    text: 'What waits and what failed is inside an account: give --user and --password-file.',
  };
  return tell(account === undefined ? [...found, closed] : found, flags);
}

const marks = { ok: 'ok      ', note: 'note    ', finding: 'FINDING ' } as const;

function tell(findings: readonly Finding[], flags: Flags): number {
  const healthy = findings.every(({ level }) => level !== 'finding');
  if (flags['json'] === true) process.stdout.write(`${jsonLine({ healthy, findings })}\n`);
  else
    for (const { level, text, todo } of findings)
      process.stdout.write(
        `${marks[level]}${sanitizeLine(text)}${todo === undefined ? '' : ` → ${sanitizeLine(todo)}`}\n`,
      );
  return healthy ? exitCodes.ok : exitCodes.unexpected;
}
