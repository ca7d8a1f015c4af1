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
import { toBase64url } from '@securechat/wire';
import type { ServerParts } from '../parts.ts';
import type { ResumedDevice, TakenResumption } from './take-resumption.ts';
import { takeResumption } from './take-resumption.ts';

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

const refused: HandshakeStep = { kind: 'refused' };

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
    const resumption = await takeResumption(this.#server, toBase64url(handle));
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

  #resume(flight: Uint8Array, { secret, ...resumed }: TakenResumption): HandshakeStep {
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
    return { kind: 'established', reply: result.reply, session: result.session, resumed };
  }
}

function again(): HandshakeStep {
  return { kind: 'again', reply: refuseResume() };
}
