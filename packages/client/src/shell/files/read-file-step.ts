/** A step of a file that the other side sent: offered, answered, ready, received. The caller commits what it changes. */
import type { Body, TransferId } from '@securechat/e2ee';
import { createFileKey, safeFileName } from '@securechat/e2ee';
import type { BlobId } from '@securechat/wire';
import { idBytes, limits } from '@securechat/wire';
import type { TransferRecord } from '../../core/record-transfer.ts';
import { freshId } from '../fresh-id.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import type { StateChange } from '../send/settle.ts';

/** Offers of one person that wait for an answer; beyond it the oldest goes. */
const OFFERS_MAX = 50;

type Step<K extends Body['kind']> = Extract<Body, { readonly kind: K }>;
export type FileStep = Step<'file-offer' | 'file-answer' | 'file-ready' | 'file-received'>;

/** In the serial queue of the user. Undefined: it does not fit what is known of the transfer, and changes nothing. */
export function readFileStep(account: OpenAccount, user: string, body: FileStep): StateChange | undefined {
  switch (body.kind) {
    case 'file-offer':
      return offered(account, user, body);
    case 'file-answer':
      return answered(account, user, body);
    case 'file-ready':
      return ready(account, user, body);
    case 'file-received':
      return received(account, user, body);
  }
}

function offered(account: OpenAccount, user: string, body: Step<'file-offer'>): StateChange | undefined {
  const { ledger } = account;
  if (ledger.transfers.has(body.transfer)) return undefined;
  const { transfer: id, bytes } = body;
  const name = safeFileName(body.name);
  const record: TransferRecord = {
    id,
    direction: 'down',
    stage: 'offered',
    user,
    name,
    bytes,
    sha256: body.sha256,
    path: '',
    chunks: [],
    blob: undefined,
    placed: '',
    sinceMs: account.nowMs(),
  };
  const open = [...ledger.transfers.values()].filter(
    (one) => one.user === user && one.direction === 'down' && one.stage === 'offered',
  );
  open.sort((a, b) => a.sinceMs - b.sinceMs);
  const over = open.slice(0, Math.max(0, open.length + 1 - OFFERS_MAX));
  return {
    changes: [
      { put: 'transfer', value: record },
      ...over.map((one): LedgerChange => ({ drop: 'transfer', key: one.id })),
    ],
    after: () => account.emit({ kind: 'fileOffer', id, from: user, name, bytes }),
  };
}

function answered(account: OpenAccount, user: string, body: Step<'file-answer'>): StateChange | undefined {
  const record = find(account, user, body.transfer, 'up');
  if (record?.stage !== 'offered') return undefined;
  const { id, name } = record;
  const { entropy } = account;
  const accepted = body.accept;
  const blob = {
    id: freshId<BlobId>(entropy),
    key: createFileKey(entropy),
    chunkBytes: limits.fileChunkBytesMax.value,
    root: new Uint8Array(0),
  };
  return {
    changes: accepted
      ? [{ put: 'transfer', value: { ...record, stage: 'sending', blob } }]
      : [{ drop: 'transfer', key: id }],
    after: () => {
      const declined = accepted ? {} : { code: 'FILE_DECLINED' as const };
      account.emit({ kind: 'fileAnswered', id, user, name, accepted, ...declined });
      if (accepted) account.transfers.start(id);
    },
  };
}

function ready(account: OpenAccount, user: string, body: Step<'file-ready'>): StateChange | undefined {
  const record = find(account, user, body.transfer, 'down');
  // Only what was accepted is fetched.
  if (record?.stage !== 'accepted') return undefined;
  const { blob: id, key, chunkBytes, root } = body;
  return {
    changes: [{ put: 'transfer', value: { ...record, stage: 'fetching', blob: { id, key, chunkBytes, root } } }],
    after: () => account.transfers.start(record.id),
  };
}

function received(account: OpenAccount, user: string, body: Step<'file-received'>): StateChange | undefined {
  const record = find(account, user, body.transfer, 'up');
  if (record === undefined || (record.stage !== 'ready' && record.stage !== 'sending')) return undefined;
  const { id, name, blob } = record;
  return {
    changes: [{ drop: 'transfer', key: id }],
    after: () => {
      account.emit(
        body.ok
          ? { kind: 'fileDelivered', id, user, name }
          : { kind: 'fileFailed', id, user, name, code: 'FILE_DAMAGED' },
      );
      // Nobody needs the ciphertext any more; if this is lost it expires.
      if (blob !== undefined)
        void account
          .link()
          ?.request('blobRemove', { blob: idBytes(blob.id) })
          .catch(() => undefined);
    },
  };
}

function find(
  account: OpenAccount,
  user: string,
  id: TransferId,
  direction: TransferRecord['direction'],
): TransferRecord | undefined {
  const record = account.ledger.transfers.get(id);
  return record?.user === user && record.direction === direction ? record : undefined;
}
