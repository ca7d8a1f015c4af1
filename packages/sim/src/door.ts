/**
 * The server's end of a connection, from attach on: what `shell/link.ts` does once its session stands, over frames
 * instead of records. Submissions, deliveries and operations are the real ones.
 */
import type { Caller, LinkHandle, LinkState, ServerParts } from '@securechat/server/parts';
import { Delivery, runEffects, serveRequest, Submits } from '@securechat/server/parts';
import type { Code, Frame } from '@securechat/wire';
import { ByteWriter, codes, control, decodeAck, decodeMessage } from '@securechat/wire';
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
  readonly onGone: () => void;
}

export class Door implements LinkHandle, Peer {
  readonly life: Life;
  wire: Wire | undefined;
  readonly #parts: DoorParts;
  readonly #requests: Frame[] = [];
  #state: LinkState;
  #serving = false;
  #closing = false;
  #leaving = false;
  #submits: Submits | undefined;
  #delivery: Delivery | undefined;
  #generation = 0;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.life = parts.life;
    const { account, device } = parts.person.record;
    // The handshake and the proof of the device's keys went before.
    this.#state = { kind: 'attaching', account, device };
    parts.server.links.add(this);
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
        if (this.#submits?.handle(frame.body) !== true) this.#parts.witness.fail('protocol', 'a submit before attach');
        return;
      case 'ack':
        if (this.#delivery?.ack(decodeAck(frame.body)) !== true)
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
    this.#send('response', control.Response.encode({ body: reply.body }).finish(), frame.request);
    if (reply.next?.kind === 'attached') this.#attached(reply.next, frame, reply.body);
    if (reply.effects !== undefined) await runEffects(reply.effects, this, server).catch(() => undefined);
    if (reply.finish === true || (this.#state.kind === 'attaching' && reply.body.$case === 'failure')) this.finish();
  }

  #caller(): Caller {
    return { link: this, state: this.#state, address: '', transcript: new Uint8Array(0), resumed: undefined };
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
    this.#generation = generation;
    witness.attached(person, generation);
    if (server.links.ofDevice(device) !== this) return this.end('SESSION_REPLACED');
    this.#submits = new Submits({
      server,
      sender: { account, device, generation },
      send: (kind, bytes) => {
        witness.answered(person, this.#generation, kind, bytes);
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
      limits: server.config.limits,
      device,
      generation,
      storedUpTo: body.value.storedUpTo,
      mailboxNext: (answer.value as control.Attached).mailboxNext,
      send: (bytes) => this.#send('deliver', bytes),
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
