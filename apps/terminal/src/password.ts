import { readFileSync } from 'node:fs';
import { SecureChatError } from '@securechat/client/vocabulary';
import { inputLines } from './input-lines.ts';
import type { Settings } from './settings.ts';

/** Longer than any password that is taken, with room for a careless line end. */
const LINE_BYTES_MAX = 8 * 1024;

export interface Given {
  readonly password: string | undefined;
  /** Standard input behind the password. */
  readonly input: AsyncIterable<Uint8Array>;
}

/** The password of `--password-file` or `--password-stdin`; undefined when neither was given. USAGE when it is not there. */
export async function givenPassword(settings: Settings, input: AsyncIterable<Uint8Array>): Promise<Given> {
  if (settings.passwordStdin) return splitFirstLine(input);
  if (settings.passwordFile === undefined) return { password: undefined, input };
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(settings.passwordFile);
  } catch (cause) {
    const text = `The password file ${settings.passwordFile} cannot be read.`;
    throw new SecureChatError('USAGE', { text }, { cause });
  }
  const { password } = await splitFirstLine(once(bytes));
  return { password, input };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function splitFirstLine(input: AsyncIterable<Uint8Array>): Promise<Given> {
  const source = input[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  let held = 0;
  for (;;) {
    const next = await source.next();
    if (next.done === true) break;
    const end = next.value.indexOf(0x0a);
    pieces.push(end < 0 ? next.value : next.value.subarray(0, end + 1));
    held += next.value.length;
    if (end >= 0) return { password: await readLine(pieces), input: rest(next.value.subarray(end + 1), source) };
    if (held > LINE_BYTES_MAX) break;
  }
  return { password: await readLine(pieces), input: rest(new Uint8Array(0), source) };
}

async function readLine(pieces: readonly Uint8Array[]): Promise<string> {
  const { value } = await inputLines(once(Buffer.concat(pieces)), LINE_BYTES_MAX).next();
  if (value?.kind === 'line' && value.text !== '') return value.text;
  const why = value?.kind === 'not-text' ? 'is not UTF-8' : value?.kind === 'too-long' ? 'is too long' : 'is empty';
  throw new SecureChatError('USAGE', { text: `The password that was given ${why}.` });
}

async function* rest(first: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (;;) {
    const next = await source.next();
    if (next.done === true) return;
    yield next.value;
  }
}
