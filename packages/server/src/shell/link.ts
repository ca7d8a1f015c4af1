/**
 * One connection: handshake, records, frames, requests. Here bytes are untrusted for the last time.
 *
 * Before attach everything is taken one by one, because keys change between records. Afterwards hot frames are handled as
 * they come, and requests one after the other. Whatever is wrong ends in one generic close, at a multiple of
 * `refusalDelayMs` after the frame came.
 */
import type { Session } from '@securechat/session';
import { refusalWaitMs } from '@securechat/session';
import type { Code, Frame } from '@securechat/wire';
import { ByteWriter, codes, control, decodeAck, decodeMessage, FrameReader, SecureChatError } from '@securechat/wire';
import type { Bucket, BucketRule } from '../core/bucket.ts';
import { spend } from '../core/bucket.ts';
import { isTooMuch } from '../core/load.ts';
import type { Ticket } from './admission.ts';
import { Delivery } from './deliveries.ts';
import type { Caller, Reply, ResponseBody } from './execute.ts';
import { refusalOf, runEffects } from './execute.ts';
import type { ResumedDevice } from './take-resumption.ts';
import { Handshake } from './handshake.ts';
import type { LinkHandle } from './links.ts';
import type { LinkState } from './link-state.ts';
import { BUFFERED_BYTES_LOST, Outbox } from './outbox.ts';
import type { ServerParts } from './parts.ts';
import { serveRequest } from './serve.ts';
import { Submits } from './submits.ts';
import type { Transport } from './transport.ts';

/** What a stranger may have waiting here; a client sends one thing and waits for its answer. */
const EARLY_BYTES_MAX = 64 * 1024;
const PING_BYTES_MAX = 32;
const PING_JITTER_MS = 5000;
/** Deadlines that a client which makes progress may use up until it is attached. */
const DEADLINES_MAX = 6;

interface Established {
  readonly session: Session;
  readonly outbox: Outbox;
  readonly reader: FrameReader;
  readonly resumed: ResumedDevice | undefined;
}

interface Attached {
  readonly submits: Submits;
  readonly delivery: Delivery;
}

export class Link implements LinkHandle {
  readonly #server: ServerParts;
  readonly #transport: Transport;
  readonly #ticket: Ticket;
  readonly #handshake: Handshake;
  readonly #bucketRule: BucketRule;
  #bucket: Bucket | undefined;
  #established: Established | undefined;
  #attached: Attached | undefined;
  #state: LinkState = { kind: 'anonymous' };
  #closing = false;
  #leaving = false;
  #early: { readonly frame: Uint8Array; readonly atMs: number }[] = [];
  #earlyBytes = 0;
  #taking = false;
  #requests: Frame[] = [];
  #requestBytes = 0;
  #serving = false;
  #protocolErrors = 0;
  #paused = false;
  #floodUntilMs = 0;
  #deadline: NodeJS.Timeout | undefined;
  #deadlines = 0;
  #heardMs: number;
  #pingAtMs = 0;

  constructor(server: ServerParts, transport: Transport, ticket: Ticket) {
    this.#server = server;
    this.#transport = transport;
    this.#ticket = ticket;
    this.#handshake = new Handshake(server, transport.kind);
    const { framesBurst, framesPerSecond } = server.config.limits;
    this.#bucketRule = { burst: framesBurst, perSecond: framesPerSecond };
    this.#heardMs = server.clock.monotonicMs();
    transport.onFrame = (frame) => this.#receive(frame);
    transport.onClose = () => this.#closed();
    transport.onDrain = () => this.#balance();
    server.links.add(this);
    this.#extendDeadline();
    transport.send([this.#handshake.hello]);
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
    this.#leaveWhenIdle();
  }

  /** What was taken is answered first. */
  #leaveWhenIdle(): void {
    if (this.#leaving && !this.#serving && (this.#attached?.submits.inFlight ?? 0) === 0) this.finish();
  }

  tick(nowMs: number): void {
    if (this.#attached === undefined || this.#closing) return;
    const { pingMs, deadMs } = this.#server.config.limits;
    if (nowMs - this.#heardMs > deadMs || this.#transport.bufferedAmount > BUFFERED_BYTES_LOST) return this.finish();
    if (nowMs < this.#pingAtMs) return;
    this.#pingAtMs = nowMs + pingMs + (this.#server.entropy(1)[0] ?? 0) * (PING_JITTER_MS / 128) - PING_JITTER_MS;
    this.#established?.outbox.send('ping', new Uint8Array(0));
  }

  #receive(frame: Uint8Array): void {
    if (this.#closing || this.#leaving) return;
    this.#heardMs = this.#server.clock.monotonicMs();
    if (this.#attached !== undefined) return this.#takeRecord(frame);
    this.#early.push({ frame, atMs: this.#heardMs });
    this.#earlyBytes += frame.length;
    if (this.#earlyBytes > EARLY_BYTES_MAX) return this.#refuse(this.#heardMs);
    if (!this.#taking) void this.#takeEarly();
  }

  // ---- before attach: one by one ----

  async #takeEarly(): Promise<void> {
    this.#taking = true;
    let atMs = this.#heardMs;
    try {
      for (let next = this.#early.shift(); next !== undefined && !this.#closing; next = this.#early.shift()) {
        this.#earlyBytes -= next.frame.length;
        atMs = next.atMs;
        if (this.#attached !== undefined) this.#takeRecord(next.frame);
        else if (this.#established === undefined) await this.#shake(next.frame, atMs);
        else await this.#takeEarlyRecord(this.#established, next.frame, atMs);
      }
    } catch (cause) {
      if (!(cause instanceof SecureChatError)) this.#server.log.error('link failed', { cause });
      this.#refuse(atMs);
    } finally {
      this.#taking = false;
    }
  }

  async #shake(frame: Uint8Array, atMs: number): Promise<void> {
    const step = await this.#handshake.take(frame);
    if (this.#closing) {
      if (step.kind === 'established') step.session.wipe();
      return;
    }
    if (step.kind === 'refused') return this.#refuse(atMs);
    this.#transport.send([step.reply]);
    if (step.kind === 'again') return;
    const { session, resumed } = step;
    this.#established = {
      session,
      resumed,
      outbox: new Outbox(this.#transport, session, this.#server.clock.monotonicMs),
      reader: new FrameReader(this.#server.config.limits.frameBytesBeforeAuthMax),
    };
    this.#extendDeadline();
  }

  async #takeEarlyRecord(established: Established, record: Uint8Array, atMs: number): Promise<void> {
    const { session, reader } = established;
    const plaintext = session.open(record);
    if (plaintext === undefined) return this.#refuse(atMs);
    const frames = reader.push(plaintext);
    for (const [index, frame] of frames.entries()) {
      if (this.#closing) return;
      if (frame.kind === 'ping' && this.#state.kind !== 'attaching') this.#pong(frame);
      else if (frame.kind !== 'request') return this.#refuse(atMs);
      else {
        const transcript = session.transcript;
        await this.#serve(frame, atMs);
        // A frame never spans two keys: whoever knew the old ones could put words into the mouth of the new.
        const changed = !this.#closing && session.transcript !== transcript;
        if (changed && (index < frames.length - 1 || reader.heldBytes > 0)) return this.#refuse(atMs);
      }
    }
  }

  /** A stranger who does nothing is closed; one who makes progress gets a little more time. */
  #extendDeadline(): void {
    this.#deadlines += 1;
    if (this.#deadlines > DEADLINES_MAX) return;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.finish(), this.#server.config.limits.authDeadlineMs);
  }

  // ---- attached: as it comes ----

  #takeRecord(record: Uint8Array): void {
    const established = this.#established;
    const plaintext = established?.session.open(record);
    if (established === undefined || plaintext === undefined) return this.#refuse(this.#heardMs);
    let frames: Frame[];
    try {
      frames = established.reader.push(plaintext);
    } catch {
      return this.#refuse(this.#heardMs);
    }
    for (const frame of frames) {
      if (this.#closing) return;
      this.#dispatch(frame);
    }
    this.#balance();
  }

  #dispatch(frame: Frame): void {
    switch (frame.kind) {
      case 'submit':
        if (this.#attached?.submits.handle(frame.body) === false) this.#protocolError();
        return;
      case 'ack':
        if (!this.#acknowledge(frame.body)) this.#protocolError();
        return;
      case 'request':
        this.#requests.push(frame);
        this.#requestBytes += frame.body.length;
        if (!this.#serving) void this.#serveWaiting();
        return;
      case 'ping':
        this.#pong(frame);
        return;
      case 'pong':
        return;
      default:
        this.#protocolError();
    }
  }

  #acknowledge(body: Uint8Array): boolean {
    try {
      return this.#attached?.delivery.ack(decodeAck(body)) === true;
    } catch {
      return false;
    }
  }

  #pong(frame: Frame): void {
    if (frame.body.length > PING_BYTES_MAX || this.#spend(1) !== undefined) this.#protocolError();
    else this.#established?.outbox.send('pong', frame.body);
  }

  async #serveWaiting(): Promise<void> {
    this.#serving = true;
    try {
      for (let next = this.#requests[0]; next !== undefined && !this.#closing; next = this.#requests[0]) {
        await this.#serve(next, this.#heardMs);
        this.#requests.shift();
        this.#requestBytes -= next.body.length;
        this.#balance();
      }
    } catch (cause) {
      this.#server.log.error('link failed', { cause });
      this.#refuse(this.#heardMs);
    } finally {
      this.#serving = false;
    }
    this.#leaveWhenIdle();
  }

  #protocolError(): void {
    this.#protocolErrors += 1;
    if (this.#protocolErrors > this.#server.config.limits.protocolErrorsMax) this.#refuse(this.#heardMs);
  }

  /** Undefined: spent. Otherwise the milliseconds until there is enough. */
  #spend(cost: number): number | undefined {
    const spent = spend(this.#bucket, this.#bucketRule, this.#server.clock.monotonicMs(), cost);
    this.#bucket = spent.bucket;
    return spent.kind === 'spent' ? undefined : spent.retryAfterMs;
  }

  /** Reads from the peer, or leaves its bytes in the network. */
  #balance(): void {
    if (this.#closing) return;
    if (this.#leaving) return this.#leaveWhenIdle();
    const { submits } = this.#attached ?? {};
    const load = {
      requests: this.#requests.length,
      requestBytes: this.#requestBytes,
      submits: submits?.inFlight ?? 0,
      submitBytes: submits?.bytesInFlight ?? 0,
      bufferedBytes: this.#transport.bufferedAmount,
      flooding: this.#floodUntilMs > this.#server.clock.monotonicMs(),
    };
    const pause = isTooMuch(load, this.#server.config.limits);
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#transport.pause();
    else this.#transport.resume();
  }

  #flooded(pauseMs: number): void {
    this.#floodUntilMs = Math.max(this.#floodUntilMs, this.#server.clock.monotonicMs() + pauseMs);
    setTimeout(() => this.#balance(), pauseMs + 1).unref();
  }

  // ---- requests ----

  async #serve(frame: Frame, atMs: number): Promise<void> {
    const { reply, malformed } = await serveRequest(frame, {
      server: this.#server,
      caller: this.#caller(),
      spend: (cost) => this.#spend(cost),
    });
    if (malformed) this.#protocolError();
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
    const nowMs = this.#server.clock.monotonicMs();
    reply.bindBefore?.(session, nowMs);
    outbox.send('response', control.Response.encode({ body: reply.body }).finish(), frame.request);
    if (reply.bindAfter !== undefined) {
      outbox.flush();
      reply.bindAfter(session, nowMs);
    }
    if (reply.next !== undefined) this.#enter(reply.next, frame, reply.body);
    // Whoever fails to confirm has nothing else to say on these keys.
    const lost = this.#state.kind === 'attaching' && reply.body.$case === 'failure';
    if (this.#attached === undefined && reply.body.$case !== 'failure') this.#extendDeadline();
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
        clearTimeout(this.#deadline);
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
    const { server, outbox } = { server: this.#server, outbox: this.#established?.outbox };
    const { account, device, generation } = state;
    const { store, acks, bus, config, clock, links, presences } = server;
    // Ended while the answer was being made.
    if (links.ofDevice(device) !== this) return this.end('SESSION_REPLACED');
    const submits = new Submits({
      server,
      sender: { account, device, generation },
      send: (kind, bytes) => outbox?.send(kind, bytes),
      onLoad: () => this.#balance(),
      onFlood: (pauseMs) => this.#flooded(pauseMs),
      onFenced: (code) => this.end(code),
      onUnknown: () => this.finish(),
    });
    this.#pingAtMs = clock.monotonicMs() + config.limits.pingMs;
    const delivery = new Delivery({
      store,
      acks,
      bus,
      limits: config.limits,
      device,
      generation,
      storedUpTo,
      mailboxNext: answer.mailboxNext,
      send: (bytes) => outbox?.send('deliver', bytes),
      onFailure: (cause) => {
        server.log.warn('delivery failed', { code: refusalOf(cause, server, 'deliver').code });
        this.finish();
      },
    });
    this.#attached = { submits, delivery };
    presences.changed(account);
  }

  // ---- the end ----

  /** The one generic close: nothing is said, and its time tells nothing. */
  #refuse(atMs: number): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#release();
    this.#transport.pause();
    setTimeout(() => this.#transport.close(), refusalWaitMs(this.#server.clock.monotonicMs() - atMs));
  }

  #closed(): void {
    this.#closing = true;
    this.#release();
  }

  /** Idempotent: gives back everything that the connection held. */
  #release(): void {
    const { links, presences, store, log } = this.#server;
    clearTimeout(this.#deadline);
    links.remove(this);
    presences.unwatch(this);
    this.#attached?.delivery.stop();
    this.#established?.session.wipe();
    this.#early = [];
    this.#requests = [];
    const attachment = links.detach(this);
    if (attachment === undefined) return;
    presences.changed(attachment.account);
    store.detach(attachment.device, attachment.generation).catch((cause: unknown) => {
      log.debug('detach not stored', { cause });
    });
  }
}
