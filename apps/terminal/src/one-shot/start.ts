import { setTimeout as delay } from 'node:timers/promises';
import { forwardToHolder, SecureChatError } from '@securechat/client';
import type { Code, LoggedIn } from '@securechat/client';
import { exitCodes } from '../exit-codes.ts';
import { jsonLine } from '../json-line.ts';
import { rememberWhereOnline } from '../last-server.ts';
import { terminalScreen } from '../line/terminal-screen.ts';
import { openClient } from '../open-client.ts';
import { givenPassword } from '../password.ts';
import { forwardedClient } from '../rpc/forwarded.ts';
import type { ForwardedClient } from '../rpc/forwarded.ts';
import { asSecureChatError } from '../sentence.ts';
import type { Settings } from '../settings.ts';
import { listen } from './listen.ts';
import { sendOnce } from './send.ts';
import type { Output } from './send.ts';

/** A message of 64 KiB; the client judges it, this bounds what is read. */
const TEXT_BYTES_MAX = 64 * 1024;
/** Other commands for the same account, at the same time. */
const CROWD_MS = 60_000;
const CROWD_POLL_MS = 100;
const NOTHING_SENT = 'No answer in time. Nothing was sent.';
const MAYBE_QUEUED = 'No answer in time. If the message is queued in the profile, it goes out at the next login.';

const output: Output = {
  write: (line) =>
    new Promise((resolve) => process.stdout.write(`${line}\n`, (error) => (error ? undefined : resolve()))),
  complain: (line) => void process.stderr.write(`${line}\n`),
};

export interface SendFlags {
  readonly to: string;
  /** undefined: standard input. */
  readonly text: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly json: boolean;
}

/** With `json` a refusal is a line as well: `code` is what scripts match on. */
export async function startSend(settings: Settings, { to, text, timeoutMs, json }: SendFlags): Promise<number> {
  const begun = performance.now();
  let handedOver = false;
  let isLate = false;
  const late = (): never => {
    isLate = true;
    throw new SecureChatError('TIMEOUT', { text: handedOver ? MAYBE_QUEUED : NOTHING_SENT });
  };
  // Of what still happens while the client is closed nothing is said: one outcome, one sentence.
  const saying: Output = {
    write: (line) => (isLate ? Promise.resolve() : output.write(line)),
    complain: (line) => (isLate ? undefined : output.complain(line)),
  };
  try {
    const { user, password, input } = await credentials(settings);
    const message = text ?? (await readText(input));
    if (message === '') throw new SecureChatError('USAGE', { text: 'There is no text to send.' });
    const { onlineOnly, requireVerified } = settings;
    const options = { onlineOnly, requireVerified };
    return await endingWith({ timeoutMs, late }, async (closing) => {
      const { client, enter } = await clientFor(settings, { user, password, brief: true }, closing);
      await enter();
      if (isLate) throw new SecureChatError('TIMEOUT');
      const left = timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - (performance.now() - begun));
      handedOver = true;
      const once = { to, text: message, options, timeoutMs: left, json };
      return sendOnce(client, once, saying).catch((error: unknown) => passing(error, 'NOT_LOGGED_IN'));
    });
  } catch (error) {
    const { code } = asSecureChatError(error);
    const state = code === 'TIMEOUT' && handedOver ? 'unknown' : 'failed';
    if (json) process.stdout.write(`${jsonLine({ v: 1, state, code })}\n`);
    throw error;
  }
}

export async function startListen(
  settings: Settings,
  { json, timeoutMs }: { readonly json: boolean; readonly timeoutMs: number | undefined },
): Promise<number> {
  const { user, password } = await credentials(settings);
  return endingWith({ timeoutMs, late: () => exitCodes.timeout }, async (closing) => {
    const { client, enter } = await clientFor(settings, { user, password, brief: false }, closing);
    const events = client.events();
    const unread = await enter();
    return listen(client, events, unread, json, output);
  });
}

/** Another process was faster, or the one it went through left before it took anything: to be begun again. */
class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

function passing(error: unknown, code: Code): never {
  if (error instanceof SecureChatError && error.code === code) throw new Overtaken(code, { cause: error });
  throw error;
}

interface Wanted {
  readonly user: string;
  readonly password: string;
  /** To send one message: others wait for that, and do not go through a client that is about to close. */
  readonly brief: boolean;
}

/** Through the process that has the account open, if one has; otherwise by logging in. */
async function clientFor(
  settings: Settings,
  { user: username, password, brief }: Wanted,
  closing: (close: () => Promise<void>) => void,
): Promise<{ client: ForwardedClient; enter: () => Promise<LoggedIn['unread']> }> {
  const { server, profileDirectory } = settings;
  const lines = await forwardToHolder({ server, profileDirectory, username, password });
  if (lines !== undefined) {
    const client = forwardedClient(lines);
    closing(() => client.close());
    return { client, enter: () => Promise.resolve([]) };
  }
  const client = await openClient(settings, { brief });
  closing(() => client.close());
  const enter = async (): Promise<LoggedIn['unread']> => {
    const { unread } = await client
      .login({ username, password, takeOver: false })
      .catch((error: unknown) => passing(error, 'PROFILE_LOCKED'));
    await rememberWhereOnline(client, settings);
    return unread;
  };
  return { client, enter };
}

interface Patience {
  readonly timeoutMs: number | undefined;
  /** What it ends with when that has passed; may throw. */
  readonly late: () => number;
}

/** Runs until it is done, interrupted (130), ended by TERM (0) or late, and closes what was opened. */
async function endingWith(
  { timeoutMs, late }: Patience,
  work: (closing: (close: () => Promise<void>) => void) => Promise<number>,
): Promise<number> {
  let close = (): Promise<void> => Promise.resolve();
  let over = false;
  const begun = performance.now();
  const inTurn = async (): Promise<number> => {
    for (;;) {
      try {
        return await work((opened) => (close = opened));
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
        await close();
        await delay(CROWD_POLL_MS);
        if (over || performance.now() > begun + CROWD_MS) throw error.cause;
      }
    }
  };
  const ended = Promise.withResolvers<number | 'late'>();
  process.once('SIGINT', () => ended.resolve(exitCodes.interrupted));
  process.once('SIGTERM', () => ended.resolve(exitCodes.ok));
  process.stdout.on('error', () => ended.resolve(exitCodes.ok));
  // One second more than a queued message is given, which has a sentence of its own.
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => ended.resolve('late'), timeoutMs + 1000);
  try {
    const code = await Promise.race([inTurn(), ended.promise]);
    return code === 'late' ? late() : code;
  } finally {
    over = true;
    clearTimeout(timer);
    await close();
    process.stdin.destroy();
  }
}

async function credentials(
  settings: Settings,
): Promise<{ user: string; password: string; input: AsyncIterable<Uint8Array> }> {
  const { user } = settings;
  if (user === undefined)
    throw new SecureChatError('USAGE', { text: 'Who are you? Give --user NAME (or SECURECHAT_USER).' });
  const { password, input } = await givenPassword(settings, process.stdin);
  if (password !== undefined) return { user, password, input };
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new SecureChatError('USAGE', {
      text: 'A password is needed: --password-file FILE or --password-stdin (or SECURECHAT_PASSWORD_FILE).',
    });
  }
  const typed = await askPassword();
  if (typed === undefined || typed === '') throw new SecureChatError('USAGE', { text: 'No password was given.' });
  return { user, password: typed, input };
}

/** On standard error, so that standard output stays data. */
async function askPassword(): Promise<string | undefined> {
  const screen = terminalScreen({
    input: process.stdin,
    output: process.stderr,
    colour: false,
    bell: false,
    title: false,
    complete: () => Promise.resolve({ start: 0, candidates: [] }),
    stop: () => Promise.resolve(),
    onContinue: () => undefined,
  });
  try {
    return await screen.ask('Password: ', { hidden: true });
  } finally {
    screen.close();
  }
}

/** The whole input, without its last line end. */
async function readText(input: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of input) {
    bytes += piece.length;
    if (bytes > TEXT_BYTES_MAX + 2) throw new SecureChatError('TEXT_TOO_LONG');
    pieces.push(piece);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)).replace(/\r?\n$/, '');
  } catch (cause) {
    throw new SecureChatError(
      'USAGE',
      { text: 'The text on standard input is not UTF-8. Send it as a file.' },
      { cause },
    );
  }
}
