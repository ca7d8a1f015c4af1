/** Where a driver is held to its contract: folders, clocks that stand still, and two people. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { after } from 'node:test';
import type { GroupId, Limits } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import type { Store, SubmitResult } from '../../src/stores/port.ts';
import { StoreError } from '../../src/stores/port.ts';
import type { Actor } from './stage.ts';
import { founding, idNamed, join, NOW_MS } from './stage.ts';

export interface DriverOptions {
  readonly directory: string;
  readonly limits: Limits;
  readonly clock: TestClock;
}

export type OpenDriver = (options: DriverOptions) => Promise<Store>;

/** Both clocks stand still unless a test moves them. */
export class TestClock {
  wallMs = NOW_MS;
  upMs = 0;
  now(): number {
    return this.wallMs;
  }
  monotonicMs(): number {
    return this.upMs;
  }
}

export const DAY_MS = 24 * 60 * 60 * 1000;

export const small: Limits = {
  ...defaultLimits,
  mailboxRowsMax: 6,
  mailboxReservedRows: 3,
  mailboxBytesMax: 4000,
  keyPackagesStoredMax: 4,
  blocksMax: 2,
};

export const group: GroupId = idNamed<GroupId>('group');

/** A store in a folder of its own. */
export interface Place extends DriverOptions {
  store: Store;
  /** Closes it and opens the same folder. */
  again(meanwhile?: () => void): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Places {
  begin(limits?: Limits): Promise<Place>;
  /** Anna and Bert, attached, in one group of epoch 1; Bert's mailbox is empty. */
  pair(limits?: Limits): Promise<{ readonly place: Place; readonly anna: Actor; readonly bert: Actor }>;
}

export function placesFor(open: OpenDriver): Places {
  const folder = mkdtempSync(joinPath(tmpdir(), 'securechat-store-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let folders = 0;

  /** A store in a new folder; `again` closes it and opens the same folder. */
  async function begin(limits: Limits = defaultLimits) {
    folders += 1;
    const options = { directory: joinPath(folder, String(folders)), limits, clock: new TestClock() };
    const place = {
      ...options,
      store: await open(options),
      again: async (meanwhile = (): void => undefined): Promise<void> => {
        await place.store.close();
        meanwhile();
        place.store = await open(options);
      },
      [Symbol.asyncDispose]: (): Promise<void> => place.store.close(),
    };
    return place;
  }

  /** Anna and Bert, attached, in one group of epoch 1; Bert's mailbox is empty. */
  async function pair(limits?: Limits) {
    const place = await begin(limits);
    const anna = await join(place.store, 'anna');
    const bert = await join(place.store, 'bert');
    accepted(await place.store.submit(founding(anna, bert, group)));
    await place.store.ack(bert.device, bert.generation, 1);
    return { place, anna, bert };
  }

  return { begin, pair };
}

export const all = (store: Store, actor: Actor, after = 0): ReturnType<Store['fetch']> =>
  store.fetch(actor.device, after, 1000, 1e9);

export function accepted(result: SubmitResult): Extract<SubmitResult, { kind: 'accepted' }> {
  if (result.kind === 'refused') assert.fail(`refused: ${result.code}`);
  return result;
}

export function refused(result: SubmitResult): string {
  return result.kind === 'refused' ? result.code : result.kind;
}

export function storeError(code: StoreError['code']): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code;
}

export const seqs = (rows: readonly { readonly seq: number }[]): number[] => rows.map((row) => row.seq);
export const kinds = (rows: readonly { readonly kind: string }[]): string[] => rows.map((row) => row.kind);

/** Byte strings as hex, maps as arrays: Buffers, views and plain arrays of the same bytes are equal. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  return value;
}
