/** The server's half of the handshake on one connection: a flight, or a resumption with a flight to fall back on. */
import { openerOf, pssSign, wipe } from '@securechat/crypto';
import type { ServerHello, Session, SessionTransport } from '@securechat/session';
import {
  acceptFlight,
  acceptResume,
  createHello,
  HELLO_NONCE_BYTES,
  readResumeHandle,
  refuseResume,
} from '@securechat/session';
import type { AccountId, DeviceId } from '@securechat/wire';
import { toBase64url } from '@securechat/wire';
import { resumptionHolds } from '../core/attach.ts';
import type { ServerParts } from './parts.ts';
import { readRecord } from './records.ts';
import { unwrapSecret } from './wrapped-secret.ts';

export interface ResumedDevice {
  readonly account: AccountId;
  readonly device: DeviceId;
}

export type HandshakeStep =
  | {
      readonly kind: 'established';
      readonly reply: Uint8Array;
      readonly session: Session;
      readonly resumed: ResumedDevice | undefined;
    }
  /** The resumption is void; an ordinary flight for the same hello may follow. */
  | { readonly kind: 'again'; readonly reply: Uint8Array }
  | { readonly kind: 'refused' };

interface TakenResumption extends ResumedDevice {
  /** 32 bytes, wiped once used. */
  readonly secret: Uint8Array;
}

const refused: HandshakeStep = { kind: 'refused' };

/** Written once, at attach. */
const RESUMPTION_VERSION = 1;

export class Handshake {
  readonly #server: ServerParts;
  readonly #transport: SessionTransport;
  readonly #hello: ServerHello;
  #resumeTried = false;

  constructor(server: ServerParts, transport: SessionTransport) {
    this.#server = server;
    this.#transport = transport;
    this.#hello = createHello({
      identity: server.keys.identity.public,
      sealingJws: server.keys.sealing.certificate,
      nonce: server.entropy(HELLO_NONCE_BYTES),
    });
  }

  /** The first frame on the connection. */
  get hello(): Uint8Array {
    return this.#hello.bytes;
  }

  async take(frame: Uint8Array): Promise<HandshakeStep> {
    const handle = readResumeHandle(frame);
    if (handle === undefined) return this.#flight(frame);
    if (this.#resumeTried) return refused;
    this.#resumeTried = true;
    const resumption = await this.#takeResumption(toBase64url(handle));
    return resumption === undefined ? again() : this.#resume(frame, resumption);
  }

  /** RSA runs on the thread pool, a few at a time; a queue that is full looks like any other refusal. */
  async #flight(flight: Uint8Array): Promise<HandshakeStep> {
    const { keys, handshakes, entropy, clock } = this.#server;
    const sealing = [keys.sealing, keys.previousSealing].filter((one) => one !== undefined);
    const result = await handshakes.run(() =>
      acceptFlight({
        hello: this.#hello,
        flight,
        transport: this.#transport,
        openers: sealing.map(({ key }) => openerOf(key)),
        sign: (message) => pssSign(keys.identity, message),
        entropy,
        nowMs: clock.monotonicMs(),
      }),
    );
    if (result === undefined || result.kind === 'refused') return refused;
    return { kind: 'established', reply: result.reply, session: result.session, resumed: undefined };
  }

  #resume(flight: Uint8Array, { account, device, secret }: TakenResumption): HandshakeStep {
    const { entropy, clock } = this.#server;
    const result = acceptResume({
      hello: this.#hello,
      flight,
      transport: this.#transport,
      secret,
      entropy,
      nowMs: clock.monotonicMs(),
    });
    wipe(secret);
    if (result.kind === 'refused') return again();
    return { kind: 'established', reply: result.reply, session: result.session, resumed: { account, device } };
  }

  /**
   * Single use: the record is gone, durably, before its secret serves. Read and removed by two calls that share one
   * commit; of two connections with the same handle one removal fails.
   */
  async #takeResumption(key: string): Promise<TakenResumption | undefined> {
    const { store, clock, keys } = this.#server;
    const [found, taken] = await Promise.all([
      readRecord(store, 'resumption', key),
      store.put([{ space: 'resumption', key, ifVersion: RESUMPTION_VERSION, value: null }]),
    ]);
    if (found === undefined || !taken.ok) return undefined;
    const account = (await readRecord(store, 'account', found.value.account))?.value;
    if (!resumptionHolds(found.value, account, clock.wallMs())) return undefined;
    const { account: id, device } = found.value;
    const secret = unwrapSecret(keys.resumptionKey, found.value.secret, { handle: key, account: id, device });
    return secret && { account: id, device, secret };
  }
}

function again(): HandshakeStep {
  return { kind: 'again', reply: refuseResume() };
}
