/**
 * A state kept as one snapshot and the deltas after it. Every record names its number and the record before it, and
 * carries a checksum: damage, a gap and a foreign record are seen. A record that was cut off the end is not: for that the
 * caller remembers, elsewhere, the number of the last one and gives it as `atLeast`.
 *
 *     Record := "MLS1" | 1 snapshot, 2 delta u8 | number u64 | SHA-256 of the record before 32 | body
 *               | SHA-256 of all before 32
 */
import { equalPublic, utf8 } from '../codec/bytes.ts';
import { Reader } from '../codec/reader.ts';
import { Writer } from '../codec/writer.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { MlsError, demand } from '../errors.ts';
import { isSmallChange, readDelta, writeDelta } from './delta.ts';
import { readSnapshot, writeSnapshot } from './snapshot.ts';
import type { GroupState } from './state.ts';

/** Where the record is that comes next. */
export interface Journal {
  /** Of the last record. */
  readonly number: bigint;
  readonly head: Uint8Array;
}

export interface Appended {
  readonly journal: Journal;
  /** Secret. A snapshot makes all records before it useless: delete them once it is stored. */
  readonly record: Uint8Array;
  readonly kind: 'snapshot' | 'delta';
}

const MAGIC = utf8('MLS1');
const HASH_BYTES = 32;
const HEAD_BYTES = 4 + 1 + 8 + HASH_BYTES;
const kinds = ['snapshot', 'delta'] as const;

/** The first record of a state. */
export function openJournal(state: GroupState): Appended {
  return append(state.suite.provider, undefined, 'snapshot', (writer) => writeSnapshot(writer, state));
}

/** The record of a change: a delta for messages, a snapshot for anything else, or when `compact` asks for one. */
export function appendTo(
  journal: Journal,
  change: { readonly before: GroupState; readonly after: GroupState; readonly compact?: boolean },
): Appended {
  const { before, after, compact = false } = change;
  const { provider } = after.suite;
  if (!compact && isSmallChange(before, after))
    return append(provider, journal, 'delta', (writer) => writeDelta(writer, before, after));
  return append(provider, journal, 'snapshot', (writer) => writeSnapshot(writer, after));
}

function append(
  provider: CryptoProvider,
  journal: Journal | undefined,
  kind: Appended['kind'],
  write: (writer: Writer) => void,
): Appended {
  const number = journal === undefined ? 0n : journal.number + 1n;
  const writer = new Writer(kind === 'delta' ? 512 : 1 << 16);
  writer
    .raw(MAGIC)
    .u8(kinds.indexOf(kind) + 1)
    .u64(number)
    .raw(journal?.head ?? new Uint8Array(HASH_BYTES));
  write(writer);
  const body = writer.doneSecret();
  const head = provider.hash('sha256', body);
  const record = new Uint8Array(body.length + HASH_BYTES);
  record.set(body);
  record.set(head, body.length);
  body.fill(0);
  return { journal: { number, head }, record, kind };
}

export interface Replayed {
  readonly state: GroupState;
  readonly journal: Journal;
}

/**
 * The state that was recorded last. The first record must be a snapshot. Errors: `damaged-state`; `rolled-back-state`
 * for a gap and for a journal that ends before record `atLeast`.
 */
export function replay(
  provider: CryptoProvider,
  input: { readonly records: readonly Uint8Array[]; readonly atLeast?: bigint },
): Replayed {
  let replayed: Replayed | undefined;
  for (const record of input.records) replayed = step(provider, replayed, record);
  if (replayed === undefined) throw new MlsError('damaged-state', 'no snapshot');
  demand(replayed.journal.number >= (input.atLeast ?? 0n), 'rolled-back-state', 'records are missing at the end');
  return replayed;
}

function step(provider: CryptoProvider, before: Replayed | undefined, record: Uint8Array): Replayed {
  demand(record.length >= HEAD_BYTES + HASH_BYTES, 'damaged-state', 'too short');
  const body = record.subarray(0, -HASH_BYTES);
  const head = provider.hash('sha256', body);
  demand(equalPublic(head, record.subarray(-HASH_BYTES)), 'damaged-state', 'checksum');
  const reader = new Reader(body);
  demand(equalPublic(reader.raw(MAGIC.length), MAGIC), 'damaged-state', 'not a record of this version');
  const kind = kinds[reader.u8() - 1];
  const number = reader.u64();
  const previous = reader.raw(HASH_BYTES);
  const follows =
    before === undefined || (number === before.journal.number + 1n && equalPublic(previous, before.journal.head));
  demand(follows, 'rolled-back-state', 'a gap between records');
  return { state: stateOf(provider, before, { kind, reader }), journal: { number, head } };
}

function stateOf(
  provider: CryptoProvider,
  before: Replayed | undefined,
  { kind, reader }: { readonly kind: Appended['kind'] | undefined; readonly reader: Reader },
): GroupState {
  try {
    if (kind === 'snapshot') return readSnapshot(reader, provider);
    if (kind === 'delta' && before !== undefined) return readDelta(reader, before.state);
  } catch (error) {
    throw new MlsError('damaged-state', 'record', { cause: error });
  }
  throw new MlsError('damaged-state', 'a delta without a snapshot');
}
