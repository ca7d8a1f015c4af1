/** Attach and detach of devices; fencing of an older connection of the same device. */
import { ed25519, importRsaPublic, wipe } from '@securechat/crypto';
import type { Resumption } from '@securechat/session';
import { attachTranscript, bindAttach, issueResumption, sealAttachSecret } from '@securechat/session';
import type { AccountId, DeviceId } from '@securechat/wire';
import { fromBase64url, idOf, SecureChatError, toBase64url } from '@securechat/wire';
import type { AttachCandidate } from '../core/attach.ts';
import { attachCandidate } from '../core/attach.ts';
import { accept, refuse } from '../core/decision.ts';
import { encodeRecord } from '../core/records.ts';
import type { Call, Reply } from '../shell/execute.ts';
import { operation } from '../shell/execute.ts';
import type { Claimant } from '../shell/link/links.ts';
import type { ServerParts } from '../shell/parts.ts';
import { readRecord } from '../shell/records.ts';
import { wrapSecret } from '../shell/link/wrapped-secret.ts';
import type { RecordWrite, Store } from '../stores/port.ts';
import { StoreError } from '../stores/port.ts';

const nothing = new Uint8Array(0);
/** Far above any mailbox, far below where numbers lose precision. */
const STORED_UP_TO_MAX = 2 ** 48;

export const attach = operation({
  when: 'before-attach',
  cost: 1,
  async load({ request, server, caller }: Call<'attach'>) {
    const account = idOf<AccountId>(request.account);
    const device = idOf<DeviceId>(request.device);
    const { state } = caller;
    if (state.kind === 'logged-in' && state.account !== account) throw new SecureChatError('NOT_AUTHENTICATED');
    const { resumed } = caller;
    // What the resumption showed a moment ago is enough for this half; the other half looks again.
    const shown = request.resumed && resumed?.account === account && resumed.device === device ? resumed : undefined;
    const record = shown === undefined ? (await readRecord(server.store, 'account', account))?.value : undefined;
    const candidate: AttachCandidate =
      shown === undefined ? attachCandidate(record, device) : { kind: 'device', signing: shown.signing, sealing: '' };
    const claim = { server: server.keys.fingerprint, account, device, transcript: caller.transcript };
    const proven =
      candidate.kind !== 'unknown' &&
      ed25519.verify(fromBase64url(candidate.signing), attachTranscript(claim), request.signature);
    const pausedMs = server.bans.leftMs(device);
    return { claim, candidate, proven, shown, disabled: record?.disabled === true, pausedMs };
  },
  decide({ request }, { candidate, proven, shown, disabled, pausedMs }) {
    if (!proven) return refuse('NOT_AUTHENTICATED');
    if (candidate.kind !== 'device') return refuse('DEVICE_REVOKED');
    if (disabled) return refuse('ACCOUNT_DISABLED');
    if (pausedMs !== undefined) return refuse('DEVICE_PAUSED', { retryAfterMs: pausedMs });
    if (request.resumed && shown === undefined) return refuse('NOT_AUTHENTICATED');
    return accept({ sealing: candidate.sealing });
  },
  apply({ request, server, caller }, { sealing }, { claim }): Reply {
    const { account, device } = claim;
    server.links.begin(caller.link, { account, device });
    const fresh = request.resumed
      ? { sealed: nothing, secret: nothing }
      : sealAttachSecret(claim, importRsaPublic('sealing', fromBase64url(sealing)), server.entropy);
    return {
      kind: 'answer',
      body: { $case: 'attach', value: { sealed: fresh.sealed } },
      next: { kind: 'attaching', account, device },
      bindAfter(session, nowMs) {
        bindAttach(session, { signature: request.signature, ...fresh }, nowMs);
        wipe(fresh.secret);
      },
    };
  },
});

export const attachConfirm = operation({
  when: 'confirming',
  cost: 1,
  // Reached only by a record under the mixed keys: the device holds both of its keys.
  async load({ request, server, caller, nowMs }: Call<'attachConfirm'>) {
    const { state } = caller;
    if (state.kind !== 'attaching') throw new SecureChatError('NOT_AUTHENTICATED');
    if (request.storedUpTo > STORED_UP_TO_MAX) throw new SecureChatError('MALFORMED');
    const { store, links } = server;
    links.confirm(caller.link);
    // One trip and one commit. Should the attach be refused, nobody learns the secret, and it does not hold.
    const resumption = newResumption(server, state, nowMs);
    const attaching = store.attach(state.device, request.storedUpTo, nowMs, request.history);
    const rest = Promise.all([
      stored(store, resumption.write),
      readRecord(store, 'account', state.account),
      store.get('vault', [state.account]),
      store.keyPackageStock(state.device),
    ]);
    rest.catch(() => undefined); // awaited below, where a failure finds the device among the links
    const attached = await attaching;
    if (attached === undefined) throw new SecureChatError('DEVICE_REVOKED');
    const { account, device } = state;
    const attachment = { account, device, generation: attached.generation };
    if (!links.attach(caller.link, attachment)) {
      await store.detach(device, attached.generation);
      throw new SecureChatError('SESSION_REPLACED');
    }
    const [resumable, record, vault, stock] = await rest;
    return {
      attachment,
      attached,
      resumption,
      resumable,
      record: record?.value,
      vault: vault.get(state.account),
      stock,
    };
  },
  decide(_call, { attachment, record }) {
    const { device } = attachment;
    if (record === undefined || !record.devices.some((listed) => listed.device === device))
      return refuse('DEVICE_REVOKED');
    return record.disabled ? refuse('ACCOUNT_DISABLED') : accept({ record });
  },
  apply({ server, nowMs }, { record }, { attachment, attached, resumption, resumable, vault, stock }): Reply {
    const { registration, offlineDelivery } = server.config;
    const { limits } = server.load;
    return {
      kind: 'answer',
      next: { kind: 'attached', ...attachment, resumption: resumption.write.key },
      body: {
        $case: 'attachConfirm',
        value: {
          generation: attached.generation,
          mailboxNext: attached.mailboxNext,
          submitNumberHighest: attached.submitNumberHighest,
          creditRows: limits.submitsInFlightMax,
          creditBytes: limits.submitBytesInFlightMax,
          resumptionHandle: resumable ? resumption.fresh.handle : nothing,
          resumptionSecret: resumable ? resumption.fresh.secret : nothing,
          resumptionExpiresMs: resumption.write.expiresMs,
          keyPackagesLeft: stock.oneTime,
          lastResortStored: stock.lastResort,
          listVersion: record.listVersion,
          serverTimeMs: nowMs,
          registration,
          offlineDelivery,
          fileBytesMax: limits.fileBytesMax,
          vaultVersion: vault?.version ?? 0,
          history: attached.history,
        },
      },
    };
  },
});

/** False on a full disk: the device attaches all the same, to fetch what makes room, and comes back by a full handshake. */
async function stored(store: Store, write: RecordWrite): Promise<boolean> {
  try {
    const { ok } = await store.put([write]);
    if (ok) return true;
  } catch (error) {
    if (error instanceof StoreError && error.code === 'full') return false;
    throw error;
  }
  throw new SecureChatError('INTERNAL');
}

function newResumption(
  { entropy, config, keys }: ServerParts,
  { account, device }: Claimant,
  nowMs: number,
): { readonly fresh: Resumption; readonly write: RecordWrite & { readonly expiresMs: number } } {
  const fresh = issueResumption(entropy);
  const expiresMs = nowMs + config.limits.resumptionMs;
  const key = toBase64url(fresh.handle);
  const secret = wrapSecret(keys.resumptionKey, fresh.secret, { handle: key, account, device }, entropy);
  const value = encodeRecord('resumption', { account, device, secret, expiresMs });
  return { fresh, write: { space: 'resumption', key, ifVersion: 0, value, expiresMs } };
}

export const detach = operation({
  when: 'attached',
  cost: 1,
  load: () => null,
  decide({ caller }: Call<'detach'>) {
    const { state } = caller;
    if (state.kind !== 'attached') return refuse('NOT_AUTHENTICATED');
    return accept(null, [{ space: 'resumption', key: state.resumption, ifVersion: 'any', value: null }]);
  },
  apply: (): Reply => ({ kind: 'answer', body: { $case: 'done', value: {} }, finish: true }),
});
