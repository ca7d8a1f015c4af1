/** Collection `failure`, by number: what could not be delivered, for whoever asks later (doctor). Never any content. */
import type { Code } from '@securechat/wire';
import { isCode } from '@securechat/wire';
import type { ClientEvent } from '../api.ts';
import { readOne, recordCodec, writeOne } from './record.ts';

const whats = ['message', 'gap', 'file', 'session'] as const;

export interface FailureRecord {
  /** 1.., in the order of their happening. */
  readonly number: number;
  /** Unix ms here. */
  readonly atMs: number;
  readonly what: (typeof whats)[number];
  /** The other side, as far as it is known; empty otherwise. */
  readonly user: string;
  /** Message or file that failed; empty for a gap. */
  readonly id: string;
  readonly code: Code;
  /** Of a gap: how many are missing, 0 when nobody knows. */
  readonly missing: number;
}

/** The newest so many are kept. */
export const FAILURES_KEPT = 500;

export const failureRecord = recordCodec<FailureRecord>(
  1,
  (writer, value) => {
    writer.u64(value.number).u64(value.atMs);
    writeOne(writer, whats, value.what);
    writer.text16(value.user).text16(value.id).text16(value.code).u64(value.missing);
  },
  (reader) => {
    const [number, atMs, what] = [reader.u64(), reader.u64(), readOne(reader, whats)];
    const [user, id, code, missing] = [reader.text16(), reader.text16(), reader.text16(), reader.u64()];
    return { number, atMs, what, user, id, code: isCode(code) ? code : 'INTERNAL', missing };
  },
);

export function failureKey(number: number): string {
  return number.toString(16).padStart(14, '0');
}

/** The event as a failure worth remembering; undefined for good news. */
export function failureIn(event: ClientEvent): Omit<FailureRecord, 'number' | 'atMs'> | undefined {
  switch (event.kind) {
    case 'state':
      if (event.state !== 'failed') return undefined;
      return {
        what: 'message',
        user: event.conversation.slice(1),
        id: event.id,
        code: event.code ?? 'INTERNAL',
        missing: 0,
      };
    case 'gap':
      return { what: 'gap', user: event.conversation.slice(1), id: '', code: event.code, missing: event.missing };
    case 'fileFailed':
      return { what: 'file', user: event.user, id: event.id, code: event.code, missing: 0 };
    case 'loggedOut':
      return { what: 'session', user: '', id: '', code: event.code, missing: 0 };
    default:
      return undefined;
  }
}
