/** The vault: opaque bytes with a version. Before attach it may only be stored where there is none. */
import type { AccountId, Limits } from '@securechat/wire';
import type { RecordWrite, StoredRecord } from '../stores/port.ts';
import type { Decision } from './decision.ts';
import { accept, refuse } from './decision.ts';

export interface VaultRequest {
  readonly account: AccountId;
  readonly vault: Uint8Array;
  /** The version it replaces; 0 for the first. */
  readonly version: number;
}

export function decideVault(
  request: VaultRequest,
  stored: StoredRecord | undefined,
  limits: Limits,
  attached: boolean,
): Decision<RecordWrite> {
  if (request.vault.length === 0) return refuse('MALFORMED');
  if (request.vault.length > limits.vaultBytesMax) return refuse('TOO_LARGE');
  if (!attached && request.version !== 0) return refuse('NOT_AUTHENTICATED');
  if ((stored?.version ?? 0) !== request.version) return refuse('VERSION_CONFLICT');
  const write: RecordWrite = {
    space: 'vault',
    key: request.account,
    ifVersion: request.version,
    value: request.vault.slice(),
  };
  return accept(write, [write]);
}
