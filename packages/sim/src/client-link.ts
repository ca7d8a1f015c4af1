/** The client's end of a connection: the Link port over frames instead of records. */
import type { Link, LinkEvents, RequestKind, RequestValue } from '@securechat/client/engine';
import { attachTranscript, Requests } from '@securechat/client/engine';
import { ed25519 } from '@securechat/crypto';
import type { Code, DeviceId, Fingerprint, Frame, MailboxSeq } from '@securechat/wire';
import {
  codeOf,
  control,
  decodeAccepted,
  decodeDeliver,
  decodeFailure,
  decodeMessage,
  encodeAck,
  ID_BYTES,
  idBytes,
  idOf,
  SecureChatError,
} from '@securechat/wire';
import type { Door } from './door.ts';
import type { Peer, Wire } from './network.ts';
import type { Person } from './people.ts';
import type { Witness } from './witness.ts';
import type { Life } from './world.ts';

const REQUEST_MS = 30_000;

export class ClientLink implements Link, Peer {
  readonly serverFingerprint: Fingerprint;
  readonly sealingSequence = 1;
  /** What the server said of the resumption. */
  resumed = false;
  readonly life: Life;
  wire: Wire | undefined;
  door: Door | undefined;
  #device: DeviceId | undefined;
  readonly #person: Person;
  readonly #events: LinkEvents;
  readonly #witness: Witness;
  readonly #requests = new Requests(REQUEST_MS);
  #reason: Code | undefined;
  #ended = false;

  constructor(parts: { life: Life; person: Person; events: LinkEvents; witness: Witness }) {
    this.life = parts.life;
    this.#person = parts.person;
    this.#events = parts.events;
    this.#witness = parts.witness;
    this.serverFingerprint = parts.person.record.server;
  }

  get ended(): boolean {
    return this.#ended;
  }

  async request<K extends RequestKind>(
    kind: K,
    value: RequestValue<K>,
  ): Promise<NonNullable<control.Response['body']>> {
    if (this.#ended) throw new SecureChatError('CONNECTION_LOST');
    // The generated union pairs kind and value; a generic pair has to be told so.
    const body = { $case: kind, value } as control.Request['body'] & object;
    const { number, answer } = this.#requests.begin();
    this.#send('request', control.Request.encode({ body }).finish(), number);
    return answer;
  }
  register(): never {
    throw new Error('not simulated: register');
  }
  async login(): ReturnType<Link['login']> {
    const late = new Promise((resolve) => setTimeout(resolve, REQUEST_MS)).then(() => undefined);
    const done = await Promise.race([this.door?.logIn(), late]);
    if (done === undefined || this.#ended) throw new SecureChatError('CONNECTION_LOST');
    return { done, exportKey: new Uint8Array(0), opaqueKey: '' };
  }
  async attach(options: Parameters<Link['attach']>[0]): Promise<control.Attached> {
    const { account, device, signingSeed, storedUpTo, submitNumberHighest, history } = options;
    this.#device = device;
    const claim = { server: this.serverFingerprint, account, device, transcript: new Uint8Array(0) };
    const signature = ed25519.sign(signingSeed, attachTranscript(claim));
    const proof = { account: idBytes(account), device: idBytes(device), signature, resumed: this.resumed };
    await this.request('attach', proof);
    const answer = await this.request('attachConfirm', { storedUpTo, submitNumberHighest, history });
    if (answer.$case !== 'attachConfirm') throw new SecureChatError('MALFORMED');
    return answer.value;
  }
  submit(body: Uint8Array): void {
    if (this.#ended) return;
    if (this.#device !== undefined) this.#witness.submitted(this.#person.name, this.#device, body);
    this.#send('submit', body);
  }
  ack(upTo: MailboxSeq): void {
    if (!this.#ended) this.#send('ack', encodeAck(upTo));
  }
  close(): void {
    if (this.#ended) return;
    this.wire?.close('client');
    this.#end('CONNECTION_LOST');
  }

  onFrame(frame: Frame): void {
    if (this.#ended) return;
    switch (frame.kind) {
      case 'response':
        return this.#requests.settle(frame.request, decodeMessage(control.Response, frame.body));
      case 'event': {
        const event = decodeMessage(control.Event, frame.body);
        if (event.body?.$case === 'loggedOut') this.#reason = codeOf(event.body.value.code);
        return this.#events.onEvent(event);
      }
      case 'deliver':
        return this.#events.onDeliver(decodeDeliver(frame.body));
      case 'accepted':
        return this.#events.onAccepted(decodeAccepted(frame.body));
      case 'refused': {
        const id = idOf(frame.body.subarray(0, ID_BYTES));
        const error = decodeFailure(decodeMessage(control.Failure, frame.body.subarray(ID_BYTES)));
        if (this.#device !== undefined) this.#witness.refusalRead(this.#person.name, this.#device, id, error.code);
        return this.#events.onRefused(id, error);
      }
      case 'goaway':
        this.#reason ??= 'SHUTTING_DOWN';
        this.wire?.close('client');
        return this.#end('SHUTTING_DOWN');
      default:
        this.#witness.fail('protocol', `a client got ${frame.kind}`);
    }
  }

  onClose(code: Code): void {
    this.#end(code);
  }

  #send(kind: Frame['kind'], body: Uint8Array, request = 0): void {
    this.wire?.send('client', { kind, request, body });
  }

  #end(code: Code): void {
    if (this.#ended) return;
    this.#ended = true;
    const reason = this.#reason ?? code;
    this.#requests.endAll(new SecureChatError(reason === 'TIMEOUT' ? 'CONNECTION_LOST' : reason));
    this.#events.onClosed(reason);
  }
}
