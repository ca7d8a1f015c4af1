/**
 * The server's end of a connection: what `shell/link/link.ts` does once its session stands, over frames instead of records.
 * Submissions, deliveries and operations are the real ones. A device shows its signing key at each attach; of the secret
 * that is sealed to its RSA key there is no trace here, as in a resumed session.
 */
import type { Caller, LinkHandle, LinkState, ServerParts } from '@securechat/server/parts';
import { Delivery, readRecord, runEffects, serveRequest, Submits, takeResumption } from '@securechat/server/parts';
import type { Code, Frame } from '@securechat/wire';
import { ByteWriter, codes, control, decodeAck, decodeMessage, idBytes, SecureChatError } from '@securechat/wire';
import type { Liar } from './liar.ts';
import type { Peer, Wire } from './network.ts';
import type { Person } from './people.ts';
import type { Witness } from './witness.ts';
import type { Life } from './world.ts';

export interface DoorParts {
  readonly server: ServerParts;
  readonly life: Life;
  readonly person: Person;
  readonly witness: Witness;
  readonly keepsOldConnections: boolean;
  /** What this connection lies about; undefined on an honest server. */
  readonly liar: Liar | undefined;
  readonly onGone: () => void;
}

/** There is no handshake, and so no transcript that a signature could hold. */
const none = new Uint8Array(0);

export class Door implements LinkHandle, Peer {
  readonly life: Life;
  wire: Wire | undefined;
  readonly #parts: DoorParts;
  readonly #requests: Frame[] = [];
  #state: LinkState = { kind: 'anonymous' };
  #resumed: Caller['resumed'];
  #serving = false;
  #closing = false;
  #leaving = false;
  #submits: Submits | undefined;
  #delivery: Delivery | undefined;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.life = parts.life;
    parts.server.links.add(this);
  }

  /** What the handshake says of a resumption: it is used up, whether or not it is good. */
  resume(handle: string): Promise<boolean> {
    const { server, witness, person } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    takeResumption(server, handle).then(
      (taken) => {
        this.#resumed = taken;
        witness.resumed(person.name, handle, taken !== undefined);
        resolve(taken !== undefined);
      },
      () => this.finish(),
    );
    return promise;
  }

  /** Passwords are no part of this: whoever asks has the right one. AUTH_FAILED without an account. */
  async logIn(): Promise<control.LoginDone> {
    const { server, person } = this.#parts;
    const { account } = person.record;
    const found = await readRecord(server.store, 'account', account).catch(() => {
      this.finish();
      throw new SecureChatError('CONNECTION_LOST');
    });
    const record = found?.value;
    if (record === undefined) throw new SecureChatError('AUTH_FAILED');
    this.#state = { kind: 'logged-in', account };
    const { accountJws, listJws, devices } = record;
    return { account: idBytes(account), accountJws, listJws, deviceJws: devices.map(({ jws }) => jws) };
  }

  // ---- LinkHandle

  event(event: control.Event): void {
    if (this.#closing || this.#submits === undefined) return;
    this.#send('event', control.Event.encode(event).finish());
  }
  end(code: Code): void {
    if (code === 'SESSION_REPLACED' && this.#parts.keepsOldConnections) return;
    const value = { code: codes[code].number, atMs: this.#parts.server.clock.wallMs() };
    this.event({ body: { $case: 'loggedOut', value } });
    this.finish();
  }
  finish(): void {
    if (this.#closing) return;
    this.#release();
    this.wire?.close('server');
  }
  goAway(retryAfterMs: number): void {
    if (this.#closing || this.#leaving) return;
    this.#leaving = true;
    this.#send('goaway', new ByteWriter(4).u32(retryAfterMs).done());
    this.#leaveWhenIdle();
  }
  tick(): void {}

  #leaveWhenIdle(): void {
    if (this.#leaving && !this.#serving && (this.#submits?.inFlight ?? 0) === 0) this.finish();
  }

  // ---- Peer

  onFrame(frame: Frame): void {
    if (this.#closing || this.#leaving) return;
    switch (frame.kind) {
      case 'submit':
        if (this.#lies(frame.body)) return;
        if (this.#submits?.handle(frame.body) !== true) this.#parts.witness.fail('protocol', 'a submit before attach');
        return;
      case 'ack':
        if ((this.#delivery?.ack(decodeAck(frame.body)) ?? 'never-sent') === 'never-sent')
          this.#parts.witness.fail('ack-of-nothing', `${this.#parts.person.name} acknowledges what was never sent`);
        return;
      default:
        this.#requests.push(frame);
        if (!this.#serving) void this.#serve();
    }
  }

  onClose(): void {
    this.#release();
  }

  /** True: it is answered, and goes no further. */
  #lies(submit: Uint8Array): boolean {
    const unasked = this.#parts.liar?.unasked();
    if (unasked !== undefined) this.#send('accepted', unasked);
    const instead = this.#parts.liar?.submit(submit);
    if (instead !== undefined) this.#send('accepted', instead);
    return instead !== undefined;
  }

  // ---- requests, one after the other

  async #serve(): Promise<void> {
    this.#serving = true;
    for (let next = this.#requests.shift(); next !== undefined && !this.#closing; next = this.#requests.shift())
      await this.#answer(next);
    this.#serving = false;
    this.#leaveWhenIdle();
  }

  async #answer(frame: Frame): Promise<void> {
    const { server } = this.#parts;
    const { reply } = await serveRequest(frame, { server, caller: this.#caller(), spend: () => undefined });
    if (this.#closing) return;
    if (reply.kind === 'close') return this.finish();
    const body = this.#parts.liar?.answer(reply.body) ?? reply.body;
    this.#send('response', control.Response.encode({ body }).finish(), frame.request);
    if (reply.next?.kind === 'attaching') this.#state = reply.next;
    if (reply.next?.kind === 'attached') this.#attached(reply.next, frame, reply.body);
    if (reply.effects !== undefined) await runEffects(reply.effects, this, server).catch(() => undefined);
    if (reply.finish === true || (this.#state.kind === 'attaching' && reply.body.$case === 'failure')) this.finish();
  }

  #caller(): Caller {
    return { link: this, state: this.#state, address: '', transcript: none, resumed: this.#resumed };
  }

  #attached(
    state: Extract<LinkState, { kind: 'attached' }>,
    frame: Frame,
    answer: { $case: string; value: unknown },
  ): void {
    const { server, witness, person } = this.#parts;
    const { body } = decodeMessage(control.Request, frame.body);
    const { account, device, generation } = state;
    if (body?.$case !== 'attachConfirm' || answer.$case !== 'attachConfirm') return;
    this.#state = state;
    witness.attached(person, device, generation);
    if (server.links.ofDevice(device) !== this) return this.end('SESSION_REPLACED');
    this.#submits = new Submits({
      server,
      sender: { account, device, generation },
      send: (kind, bytes) => {
        witness.answered(person.name, device, kind, bytes);
        this.#send(kind, bytes);
      },
      onLoad: () => this.#leaveWhenIdle(),
      onFlood: () => undefined,
      onFenced: (code) => this.end(code),
      onUnknown: () => this.finish(),
    });
    this.#delivery = new Delivery({
      store: server.store,
      acks: server.acks,
      bus: server.bus,
      limits: () => server.load.limits,
      device,
      generation,
      storedUpTo: body.value.storedUpTo,
      mailboxNext: (answer.value as control.Attached).mailboxNext,
      send: (bytes) => {
        for (const body of this.#parts.liar?.rows(device, bytes) ?? [bytes]) this.#send('deliver', body);
      },
      onFailure: () => this.finish(),
    });
    server.presences.changed(account);
  }

  #send(kind: Frame['kind'], body: Uint8Array, request = 0): void {
    this.wire?.send('server', { kind, request, body });
  }

  #release(): void {
    if (this.#closing) return;
    this.#closing = true;
    const { links, presences, store } = this.#parts.server;
    links.remove(this);
    presences.unwatch(this);
    this.#delivery?.stop();
    this.#parts.onGone();
    const attachment = links.detach(this);
    if (attachment === undefined) return;
    presences.changed(attachment.account);
    store.detach(attachment.device, attachment.generation).catch(() => undefined);
  }
}
