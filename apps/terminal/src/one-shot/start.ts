import { SecureChatError } from '@securechat/client';
import type { Client, LoggedIn } from '@securechat/client';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { terminalScreen } from '../line/terminal-screen.ts';
import { openClient } from '../open-client.ts';
import { givenPassword } from '../password.ts';
import { sentenceOf } from '../sentence.ts';
import type { Settings } from '../settings.ts';
import { listen } from './listen.ts';
import { sendOnce } from './send.ts';
import type { Output } from './send.ts';

/** A message of 64 KiB; the client judges it, this bounds what is read. */
const TEXT_BYTES_MAX = 64 * 1024;

const output: Output = {
  write: (line) => void process.stdout.write(`${line}\n`),
  complain: (line) => void process.stderr.write(`${line}\n`),
};

export interface SendFlags {
  readonly to: string;
  /** undefined: standard input. */
  readonly text: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly json: boolean;
}

export async function startSend(settings: Settings, { to, text, timeoutMs, json }: SendFlags): Promise<number> {
  const { user, password, input } = await credentials(settings);
  const message = text ?? (await readText(input));
  if (message === '') throw new SecureChatError('USAGE', { text: 'There is no text to send.' });
  const begun = performance.now();
  const client = await openClient(settings);
  const late = deadline(timeoutMs);
  try {
    const work = (async () => {
      await client.login({ username: user, password });
      const { onlineOnly, requireVerified } = settings;
      const options = { onlineOnly, requireVerified };
      const left = timeoutMs === undefined ? undefined : Math.max(0, timeoutMs - (performance.now() - begun));
      return sendOnce(client, { to, text: message, options, timeoutMs: left, json }, output);
    })();
    return await Promise.race([work, late.passed, interrupted()]);
  } catch (error) {
    output.complain(sentenceOf(error));
    return exitCodeOf(error instanceof SecureChatError ? error.code : 'INTERNAL');
  } finally {
    late.cancel();
    await client.close();
    process.stdin.destroy();
  }
}

export async function startListen(
  settings: Settings,
  { json, timeoutMs }: { readonly json: boolean; readonly timeoutMs: number | undefined },
): Promise<number> {
  const { user, password } = await credentials(settings);
  const client = await openClient(settings);
  const late = deadline(timeoutMs);
  const gone = Promise.withResolvers<number>();
  process.stdout.on('error', () => gone.resolve(exitCodes.ok));
  process.once('SIGTERM', () => gone.resolve(exitCodes.ok));
  try {
    const events = client.events();
    const { unread }: LoggedIn = await client.login({ username: user, password });
    const work = listen(client, events, unread, json, output);
    return await Promise.race([work, late.passed, interrupted(), gone.promise]);
  } finally {
    late.cancel();
    await client.close();
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
    output: process.stderr as unknown as typeof process.stdout,
    colour: false,
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

function deadline(timeoutMs: number | undefined): { readonly passed: Promise<number>; cancel(): void } {
  const { promise, resolve } = Promise.withResolvers<number>();
  if (timeoutMs === undefined) return { passed: promise, cancel: () => undefined };
  const timer = setTimeout(() => {
    output.complain('No answer in time.');
    resolve(exitCodes.timeout);
    // One second more than a queued message is given, which has its own sentence.
  }, timeoutMs + 1000);
  return { passed: promise, cancel: () => clearTimeout(timer) };
}

function interrupted(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  process.once('SIGINT', () => resolve(exitCodes.interrupted));
  return promise;
}
