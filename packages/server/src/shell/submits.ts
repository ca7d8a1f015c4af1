/** Submissions of one attached device: decoded as far as the server may, rated, stored, answered, passed on. */
import type { AccountId, ClientId, Presence, Submit } from '@securechat/wire';
import {
  control,
  decodeMessage,
  decodeSubmit,
  encodeAccepted,
  encodeFailure,
  ID_BYTES,
  idBytes,
  idOf,
  SecureChatError,
  ByteWriter,
} from '@securechat/wire';
import type { Bucket, BucketRule } from '../core/bucket.ts';
import { spend } from '../core/bucket.ts';
import { foundingFacts } from '../core/founding.ts';
import type { Sender, Submission } from '../stores/port.ts';
import { StoreError } from '../stores/port.ts';
import { refusalOf } from './execute.ts';
import type { ServerParts } from './parts.ts';

export interface SubmitsOptions {
  readonly server: ServerParts;
  readonly sender: Sender;
  readonly send: (kind: 'accepted' | 'refused', body: Uint8Array) => void;
  /** Called whenever what is under way changed. */
  readonly onLoad: () => void;
  /** The device sends far more than it may: nothing is read from it for that long. */
  readonly onFlood: (pauseMs: number) => void;
  /** Fenced: another connection of the device took over, or the device was ended. */
  readonly onFenced: (code: 'SESSION_REPLACED' | 'DEVICE_REVOKED') => void;
  /** Nobody knows whether a submission was stored: the connection must end, so that the device sends the same again. */
  readonly onUnknown: () => void;
}

/** Refused submissions cost a look at the store each: this many times the rate, and the connection is slowed down. */
const FLOOD_FACTOR = 4;

export class Submits {
  readonly #options: SubmitsOptions;
  readonly #rule: BucketRule;
  readonly #floodRule: BucketRule;
  #bucket: Bucket | undefined;
  #flood: Bucket | undefined;
  /** On a server with open registration: who has written back before this connection began. */
  #contacts: ReadonlySet<AccountId> = new Set();
  #inFlight = 0;
  #bytesInFlight = 0;

  constructor(options: SubmitsOptions) {
    this.#options = options;
    const { messagesBurst, messagesPerSecond } = options.server.config.limits;
    this.#rule = { burst: messagesBurst, perSecond: messagesPerSecond };
    this.#floodRule = { burst: FLOOD_FACTOR * messagesBurst, perSecond: FLOOD_FACTOR * messagesPerSecond };
    if (options.server.config.registration === 'open') void this.#loadContacts();
  }

  async #loadContacts(): Promise<void> {
    const { server, sender } = this.#options;
    try {
      this.#contacts = await server.acquaintances.contacts(sender.account);
    } catch (cause) {
      server.log.warn('contacts not read', { cause });
    }
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** False for bytes that are not even a submit frame: nothing could be answered. */
  handle(body: Uint8Array): boolean {
    if (body.length < ID_BYTES) return false;
    const id = idOf<ClientId>(body.subarray(0, ID_BYTES));
    this.#countFlood();
    let submission: Submission;
    try {
      submission = this.#submissionOf(decodeSubmit(body));
    } catch (error) {
      this.#refuse(id, refusalOf(error, this.#options.server, 'submit'));
      return true;
    }
    void this.#store(submission, body.length);
    return true;
  }

  /** What cannot be read counts as well. */
  #countFlood(): void {
    const { server, onFlood } = this.#options;
    const flood = spend(this.#flood, this.#floodRule, server.clock.monotonicMs());
    this.#flood = flood.bucket;
    if (flood.kind === 'refused') onFlood(flood.retryAfterMs);
  }

  #submissionOf(submit: Submit): Submission {
    const { server, sender } = this.#options;
    const { config, clock, keys } = server;
    const base = {
      sender,
      submit,
      nowMs: clock.wallMs(),
      ...(config.offlineDelivery === 'off' && { onlineOnly: true }),
    };
    switch (submit.kind) {
      case 'message':
        return { ...base, ...this.#rateRefusal(undefined) };
      case 'commit': {
        const { commit, capsule } = decodeMessage(control.Commit, submit.payload);
        return { ...base, ...this.#rateRefusal(undefined), commit: { commit, capsule } };
      }
      case 'found': {
        const decoded = decodeMessage(control.Founding, submit.payload);
        const founding = foundingFacts(decoded, sender.account, keys.slotKey);
        return { ...base, ...this.#rateRefusal(founding.peer), founding };
      }
    }
  }

  /** Rates are spent before the transaction; the store answers with them in the right place of its checks. */
  #rateRefusal(founded: AccountId | undefined): Pick<Submission, 'refusal'> {
    const { server, sender } = this.#options;
    const spent = spend(this.#bucket, this.#rule, server.clock.monotonicMs());
    this.#bucket = spent.bucket;
    if (spent.kind === 'refused') return limited(spent.retryAfterMs);
    const today = server.rates.messagesDay.spend(sender.account);
    if (today.kind === 'refused') return limited(today.retryAfterMs);
    const unasked = founded !== undefined && server.config.registration === 'open' && !this.#contacts.has(founded);
    if (!unasked) return {};
    const fresh = server.rates.newRecipients.spend(sender.account);
    return fresh.kind === 'refused' ? limited(fresh.retryAfterMs) : {};
  }

  async #store(submission: Submission, bytes: number): Promise<void> {
    const { server } = this.#options;
    const { id } = submission.submit;
    this.#inFlight += 1;
    this.#bytesInFlight += bytes;
    try {
      const result = await this.#submitOnce(submission);
      if (result.kind === 'refused') {
        this.#refuse(id, new SecureChatError(result.code, result.detail));
        if (result.code === 'SESSION_REPLACED' || result.code === 'DEVICE_REVOKED') this.#options.onFenced(result.code);
        return;
      }
      for (const row of result.rows) server.bus.publish(row);
      const presence = await this.#presenceOf(result.peers);
      this.#options.send('accepted', encodeAccepted({ id, presence, devices: result.devices }));
    } catch (error) {
      // A refusal says "not stored", and the device forgets the submit number that dedupe would need.
      if (error instanceof StoreError && error.outcome === 'none') this.#refuse(id, refusalOf(error, server, 'submit'));
      else {
        server.log.error('outcome of a submission unknown', { cause: error });
        this.#options.onUnknown();
      }
    } finally {
      this.#inFlight -= 1;
      this.#bytesInFlight -= bytes;
      this.#options.onLoad();
    }
  }

  /** A commit that failed is unknown: asked again, dedupe tells. */
  async #submitOnce(submission: Submission): ReturnType<ServerParts['store']['submit']> {
    const { store } = this.#options.server;
    try {
      return await store.submit(submission);
    } catch (error) {
      if (!(error instanceof StoreError) || error.outcome !== 'unknown' || error.retry !== 'same') throw error;
      return store.submit(submission);
    }
  }

  async #presenceOf(peers: readonly AccountId[]): Promise<Presence> {
    const { presences } = this.#options.server;
    const { account } = this.#options.sender;
    const peer = peers.find((one) => one !== account);
    return peer === undefined ? 'unknown' : presences.seenBy(account, peer);
  }

  #refuse(id: ClientId, error: SecureChatError): void {
    const failure = control.Failure.encode(encodeFailure(error)).finish();
    this.#options.send('refused', new ByteWriter(ID_BYTES + failure.length).raw(idBytes(id)).raw(failure).done());
  }
}

function limited(retryAfterMs: number): Pick<Submission, 'refusal'> {
  return { refusal: { code: 'RATE_LIMITED', detail: { retryAfterMs } } };
}
