/**
 * One connection, from its first byte to its end: what came before attach (early.ts) and after it (attached.ts), requests
 * and their answers. Here bytes are untrusted for the last time. Whatever is wrong ends in one generic close, at a
 * multiple of `refusalDelayMs` after the frame came.
 */
import { refusalWaitMs } from '@securechat/session';
import type { Code, Frame } from '@securechat/wire';
import { ByteWriter, codes, control, decodeMessage } from '@securechat/wire';
import type { Ticket } from '../listeners/admission.ts';
import { Attached } from './attached.ts';
import { Deadline } from './deadline.ts';
import type { Established } from './early.ts';
import { Early } from './early.ts';
import type { Caller, Reply, ResponseBody } from '../execute.ts';
import { runEffects } from '../execute.ts';
import type { LinkHandle } from './links.ts';
import type { LinkState } from './link-state.ts';
import { Manners } from './manners.ts';
import { BUFFERED_BYTES_LOST } from './outbox.ts';
import type { ServerParts } from '../parts.ts';
import { Pulse } from './pulse.ts';
import { serveRequest } from '../serve.ts';
import type { Transport } from '../listeners/transport.ts';

const PING_BYTES_MAX = 32;

export class Link implements LinkHandle {
  readonly #server: ServerParts;
  readonly #transport: Transport;
  readonly #ticket: Ticket;
  readonly #early: Early;
  readonly #deadline: Deadline;
  readonly #pulse: Pulse;
  readonly #manners: Manners;
  #established: Established | undefined;
  #attached: Attached | undefined;
  #state: LinkState = { kind: 'anonymous' };
  #closing = false;
  #leaving = false;

  constructor(server: ServerParts, transport: Transport, ticket: Ticket) {
    this.#server = server;
    this.#transport = transport;
    this.#ticket = ticket;
    const { limits } = server.config;
    this.#manners = new Manners(limits, () => this.#nowMs());
    this.#pulse = new Pulse(limits, server.entropy, this.#nowMs());
    transport.onFrame = (frame) => this.#receive(frame);
    transport.onClose = () => this.#closed();
    transport.onDrain = () => this.#progress();
    server.links.add(this);
    this.#deadline = new Deadline(limits.authDeadlineMs, () => this.finish());
    this.#early = new Early({
      server,
      transport,
      stage: () => this.#stage(),
      onEstablished: (established) => {
        this.#established = established;
        this.#deadline.extend();
      },
      serve: (frame, atMs) => this.#serve(frame, atMs),
      pong: (frame) => this.#pong(frame),
      onIdle: () => this.#idle(),
      onLateRecord: (record) => this.#takeRecord(record),
      refuse: (atMs) => this.#refuse(atMs),
    });
  }

  #stage(): 'open' | 'attaching' | 'attached' | 'closing' {
    if (this.#closing) return 'closing';
    if (this.#attached !== undefined) return 'attached';
    return this.#state.kind === 'attaching' ? 'attaching' : 'open';
  }

  event(event: control.Event): void {
    if (this.#closing || this.#attached === undefined) return;
    this.#established?.outbox.send('event', control.Event.encode(event).finish());
  }

  end(code: Code): void {
    const value = { code: codes[code].number, atMs: this.#server.clock.wallMs() };
    this.event({ body: { $case: 'loggedOut', value } });
    this.finish();
  }

  finish(): void {
    if (this.#closing) return;
    this.#established?.outbox.flush();
    this.#closing = true;
    this.#release();
    this.#transport.close();
  }

  goAway(retryAfterMs: number): void {
    if (this.#closing || this.#leaving) return;
    this.#leaving = true;
    if (this.#state.kind !== 'attaching')
      this.#established?.outbox.send('goaway', new ByteWriter(4).u32(retryAfterMs).done());
    this.#transport.pause();
    this.#progress();
  }

  tick(nowMs: number): void {
    if (this.#attached === undefined || this.#closing) return;
    if (this.#transport.bufferedAmount > BUFFERED_BYTES_LOST) return this.finish();
    const due = this.#pulse.due(nowMs);
    if (due === 'dead') this.finish();
    else if (due === 'ping') this.#established?.outbox.send('ping', new Uint8Array(0));
  }

  #nowMs(): number {
    return this.#server.clock.monotonicMs();
  }

  #receive(frame: Uint8Array): void {
    if (this.#closing || this.#leaving) return;
    const atMs = this.#nowMs();
    this.#pulse.heard(atMs);
    if (this.#attached !== undefined) return this.#takeRecord(frame);
    this.#early.push(frame, atMs);
  }

  /** Something came or was done. Who leaves does so once what was taken is answered. */
  #progress(): void {
    if (this.#closing) return;
    if (!this.#leaving) this.#attached?.balance();
    else if (this.#attached?.idle ?? true) this.finish();
  }

  // ---- attached: as it comes ----

  #takeRecord(record: Uint8Array): void {
    const plaintext = this.#established?.session.open(record);
    const frames = plaintext && this.#cut(plaintext);
    if (frames === undefined) return this.#refuse(this.#pulse.heardMs);
    if (frames.length === 0) this.#idle();
    for (const frame of frames) {
      if (this.#closing) return;
      this.#attached?.take(frame);
    }
    this.#progress();
  }

  #cut(plaintext: Uint8Array): readonly Frame[] | undefined {
    try {
      return this.#established?.reader.push(plaintext);
    } catch {
      return undefined;
    }
  }

  #pong(frame: Frame): void {
    if (frame.body.length > PING_BYTES_MAX || this.#manners.spend(1) !== undefined) this.#protocolError();
    else this.#established?.outbox.send('pong', frame.body);
  }

  #protocolError(): void {
    if (!this.#manners.forgive()) this.#ban();
  }

  /** Came, and nothing comes of it. */
  #idle(): void {
    if (!this.#manners.idle()) this.#ban();
  }

  #ban(): void {
    if (this.#closing) return;
    if (this.#state.kind === 'attached') this.#server.bans.add(this.#state.device);
    this.#refuse(this.#pulse.heardMs);
  }

  // ---- requests ----

  async #serve(frame: Frame, atMs: number): Promise<void> {
    const { reply, malformed, overMs } = await serveRequest(frame, {
      server: this.#server,
      caller: this.#caller(),
      spend: (cost) => this.#manners.spend(cost),
    });
    if (malformed) this.#protocolError();
    if (overMs !== undefined) {
      // Before its attach nobody has that much to ask.
      if (this.#attached === undefined) return this.#refuse(atMs);
      this.#attached.slowDown(overMs);
    }
    if (!this.#closing) await this.#answer(frame, reply, atMs);
  }

  #caller(): Caller {
    return {
      link: this,
      state: this.#state,
      address: this.#transport.address,
      transcript: this.#established?.session.transcript ?? new Uint8Array(0),
      resumed: this.#established?.resumed,
    };
  }

  async #answer(frame: Frame, reply: Reply, atMs: number): Promise<void> {
    const established = this.#established;
    if (established === undefined || reply.kind === 'close') return this.#refuse(atMs);
    const { session, outbox } = established;
    const nowMs = this.#nowMs();
    reply.bindBefore?.(session, nowMs);
    outbox.send('response', control.Response.encode({ body: reply.body }).finish(), frame.request);
    if (reply.bindAfter !== undefined) {
      outbox.flush();
      reply.bindAfter(session, nowMs);
    }
    if (reply.next !== undefined) this.#enter(reply.next, frame, reply.body);
    // Whoever fails to confirm has nothing else to say on these keys.
    const lost = this.#state.kind === 'attaching' && reply.body.$case === 'failure';
    if (this.#attached === undefined && reply.body.$case !== 'failure') this.#deadline.extend();
    if (reply.effects !== undefined) await this.#afterwards(reply.effects);
    if (reply.finish === true || lost) this.finish();
  }

  async #afterwards(effects: NonNullable<Extract<Reply, { kind: 'answer' }>['effects']>): Promise<void> {
    try {
      await runEffects(effects, this, this.#server);
    } catch (cause) {
      this.#server.log.warn('effect failed', { cause });
    }
  }

  #enter(next: LinkState, frame: Frame, body: ResponseBody): void {
    const { limits } = this.#server.config;
    this.#state = next;
    switch (next.kind) {
      case 'logged-in':
        this.#ticket.authenticated();
        this.#established?.reader.allow(limits.requestBytesMax);
        return;
      case 'attaching':
        this.#established?.reader.allow(limits.requestBytesMax);
        this.#transport.allowFrame(limits.frameBytesMax);
        return;
      case 'attached':
        this.#ticket.authenticated();
        this.#deadline.clear();
        if (body.$case === 'attachConfirm') this.#startAttached(next, frame, body.value);
        return;
      case 'anonymous':
      case 'registering':
      case 'logging-in':
        return;
    }
  }

  #startAttached(state: Extract<LinkState, { kind: 'attached' }>, frame: Frame, answer: control.Attached): void {
    const { body } = decodeMessage(control.Request, frame.body);
    const storedUpTo = body?.$case === 'attachConfirm' ? body.value.storedUpTo : 0;
    const { log, links, presences } = this.#server;
    const outbox = this.#established?.outbox;
    // Ended while the answer was being made.
    if (outbox === undefined || links.ofDevice(state.device) !== this) return this.end('SESSION_REPLACED');
    this.#pulse.begin(this.#nowMs());
    this.#attached = new Attached({
      server: this.#server,
      transport: this.#transport,
      outbox,
      state,
      answer,
      storedUpTo,
      serve: (request) => this.#serve(request, this.#pulse.heardMs),
      pong: (ping) => this.#pong(ping),
      onIdle: () => this.#idle(),
      onNonsense: () => this.#protocolError(),
      onFailure: (cause) => {
        log.error('link failed', { cause });
        this.#refuse(this.#pulse.heardMs);
      },
      onProgress: () => this.#progress(),
      onFenced: (code) => this.end(code),
      onEnd: () => this.finish(),
    });
    presences.changed(state.account);
  }

  // ---- the end ----

  /** The one generic close: nothing is said, and its time tells nothing. */
  #refuse(atMs: number): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#release();
    this.#transport.pause();
    setTimeout(() => this.#transport.close(), refusalWaitMs(this.#nowMs() - atMs));
  }

  #closed(): void {
    this.#closing = true;
    this.#release();
  }

  /** Idempotent: gives back everything that the connection held. */
  #release(): void {
    const { links, presences, store, log } = this.#server;
    this.#deadline.clear();
    links.remove(this);
    presences.unwatch(this);
    this.#attached?.stop();
    this.#established?.session.wipe();
    this.#early.clear();
    const attachment = links.detach(this);
    if (attachment === undefined) return;
    presences.changed(attachment.account);
    store.detach(attachment.device, attachment.generation).catch((cause: unknown) => {
      log.debug('detach not stored', { cause });
    });
  }
}
