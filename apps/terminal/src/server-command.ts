/** `securechat server` and `securechat admin`: flags in, sentences out. The one file that knows the server. */
import {
  adminDisable,
  adminEnable,
  adminInvite,
  adminUsers,
  configRows,
  limitRows,
  loadConfig,
  migrateData,
  runServer,
} from '@securechat/server';
import type { Ready, ServerConfig } from '@securechat/server';
import { exitCodes } from './exit-codes.ts';
import { jsonLine } from './json-line.ts';
import { qrCode } from './qr-code.ts';
import { programVersion } from './version.ts';

type Env = Readonly<Record<string, string | undefined>>;
type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** The server's own table of settings, for the command tree. */
export const serverFlags = configRows;

/** `securechat server`: runs until a signal, then drains and resolves with 0; a second signal ends at once. */
export async function runServerCommand(given: Flags, env: Env, home: string): Promise<number> {
  const { config: configFile, checkConfig, ...flags } = given;
  const loaded = loadConfig({
    flags,
    env,
    home,
    ...(typeof configFile === 'string' && { configFile }),
  });
  const asked = [flags['logLevel'], env['SECURECHAT_LOG_LEVEL'], configFile, env['SECURECHAT_CONFIG']];
  const config = process.stderr.isTTY && asked.every((one) => one === undefined) ? quietly(loaded) : loaded;
  if (checkConfig === true) {
    process.stdout.write('The configuration is valid.\n');
    return exitCodes.ok;
  }
  const ending = askedToEnd();
  const server = await runServer(config);
  process.stdout.write(config.json ? readyLine(server.ready) : readyText(server.ready));
  const stopped = await Promise.race([ending, server.stopped]);
  await server.close();
  if (process.stdout.isTTY && !config.json)
    process.stdout.write('The server has ended; what it acknowledged is stored.\n');
  return stopped === 'failed' ? exitCodes.unexpected : exitCodes.ok;
}

/** Somebody watches: lines for machines only where something is wrong. */
function quietly(config: ServerConfig): ServerConfig {
  return { ...config, logLevel: 'warn' };
}

/** `--json`: exactly one line, with these names. */
function readyLine({ http, tcp, fingerprint, invite }: Ready): string {
  return `${JSON.stringify({ event: 'ready', http, tcp, fingerprint, ...(invite !== undefined && { invite }) })}\n`;
}

/** `securechat server --help limits`. */
export function printTopic(topic: string): void {
  if (topic !== 'limits') {
    process.stdout.write('There is one topic: securechat server --help limits\n');
    return;
  }
  const rows = limitRows();
  const width = Math.max(...rows.map(({ name, value }) => `${name}=${value}`.length));
  const lines = rows.map(({ name, value, reason }) => `  ${`${name}=${value}`.padEnd(width)}  ${reason}`);
  process.stdout.write(`Limits and their defaults; change one with --limit NAME=VALUE:\n${lines.join('\n')}\n`);
}

/** Where it listens, its fingerprint, and with no account yet the exact command for a second terminal. */
export function readyText({ http, tcp, fingerprint, address, invite }: Ready): string {
  const join = `npx securechat --server '${address}'`;
  const next =
    invite === undefined
      ? ['To chat, in a second terminal:', `  ${join}`]
      : [
          'There is no account yet. In a second terminal, for up to five people within 24 hours:',
          `  ${join} --invite ${invite}`,
        ];
  const lines = [
    `SecureChat ${programVersion()} is ready.`,
    `  WebSocket    ${http.replace(/^http/, 'ws')}`,
    `  TCP          ${tcp}`,
    `  Fingerprint  ${fingerprint}`,
    ...next,
    'Ctrl+C ends the server.',
  ];
  return `${lines.join('\n')}\n`;
}

function askedToEnd(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      signals++;
      // What was acknowledged is on the disk: ending at once loses nothing.
      if (signals > 1) process.exit(exitCodes.interrupted);
      resolve();
    });
  }
  return promise;
}

/** `securechat admin users | disable NAME | enable NAME | invite`, beside a running server or without one. */
export async function runAdminCommand(
  name: string,
  args: readonly string[],
  flags: Flags,
  env: Env,
  home: string,
): Promise<number> {
  const { data } = loadConfig({ flags: { data: flags['data'] }, env, home });
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  const [username = ''] = args;
  switch (name) {
    case 'users': {
      const users = await adminUsers(data);
      if (flags['json'] === true) write(JSON.stringify(users));
      else for (const user of users) write(`${user.username}${user.disabled ? '  disabled' : ''}`);
      return exitCodes.ok;
    }
    case 'disable':
      await adminDisable(data, username);
      write(`${username} is disabled.`);
      return exitCodes.ok;
    case 'enable':
      await adminEnable(data, username);
      write(`${username} is enabled.`);
      return exitCodes.ok;
    case 'invite': {
      const made = await adminInvite(data, { uses: wholeNumber(flags['uses']), hours: wholeNumber(flags['hours']) });
      const expiresAt = new Date(made.expiresMs).toISOString();
      if (flags['json'] === true)
        write(JSON.stringify({ code: made.code, link: made.link, uses: made.uses, expiresAt }));
      else {
        write(`Invite: ${made.code}`);
        if (made.link !== '') write(`Link: ${made.link}`);
        write(`For ${made.uses} ${made.uses === 1 ? 'registration' : 'registrations'}, until ${expiresAt}.`);
        if (made.link !== '' && process.stdout.isTTY) write(qrCode(made.link));
      }
      return exitCodes.ok;
    }
    default:
      return exitCodes.usage;
  }
}

/** `securechat migrate`: the schema step of an update by itself, before a server is started on the data. */
export async function runMigrate(flags: Flags, env: Env, home: string): Promise<number> {
  const { data } = loadConfig({ flags: { data: flags['data'] }, env, home });
  const { from, to } = await migrateData(data);
  const sentence = from === to ? `${data} has schema ${to}: nothing to do.` : `${data}: schema ${from} is ${to} now.`;
  process.stdout.write(`${flags['json'] === true ? jsonLine({ data, from, to }) : sentence}\n`);
  return exitCodes.ok;
}

/** 0, which the server refuses with the range, for anything that is no number: JSON has no NaN. */
function wholeNumber(given: Flags[string]): number {
  return typeof given === 'string' && /^\d{1,6}$/.test(given) ? Number(given) : 0;
}
