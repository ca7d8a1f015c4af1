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
import { ByteWriter, codes, control, decodeMessage, FrameReader, SecureChatError } from '@securechat/wire';
import type { Bucket, BucketRule } from '../core/bucket.ts';
import { spend } from '../core/bucket.ts';
import type { Ticket } from './admission.ts';
import { Attached } from './attached.ts';
import { Deadline } from './deadline.ts';
import type { Caller, Reply, ResponseBody } from './execute.ts';
import { runEffects } from './execute.ts';
import { Handshake } from './handshake.ts';
import { Line } from './line.ts';
import type { LinkHandle } from './links.ts';
import type { LinkState } from './link-state.ts';
import { BUFFERED_BYTES_LOST, Outbox } from './outbox.ts';
import type { ServerParts } from './parts.ts';
import { Pulse } from './pulse.ts';
import { serveRequest } from './serve.ts';
import type { ResumedDevice } from './take-resumption.ts';
import type { Transport } from './transport.ts';

/** What a stranger may have waiting here; a client sends one thing and waits for its answer. */
const EARLY_BYTES_MAX = 64 * 1024;
const PING_BYTES_MAX = 32;

interface EarlyFrame {
  readonly frame: Uint8Array;
  readonly bytes: number;
  readonly atMs: number;
}

interface Established {
  readonly session: Session;
  readonly outbox: Outbox;
  readonly reader: FrameReader;
  readonly resumed: ResumedDevice | undefined;
}

export class Link implements LinkHandle {
  readonly #server: ServerParts;
  readonly #transport: Transport;
  readonly #ticket: Ticket;
  readonly #handshake: Handshake;
  readonly #early: Line<EarlyFrame>;
  readonly #deadline: Deadline;
  readonly #pulse: Pulse;
  readonly #bucketRule: BucketRule;
  #bucket: Bucket | undefined;
  #established: Established | undefined;
  #attached: Attached | undefined;
  #state: LinkState = { kind: 'anonymous' };
  #closing = false;
  #leaving = false;
  #protocolErrors = 0;

  constructor(server: ServerParts, transport: Transport, ticket: Ticket) {
    this.#server = server;
    this.#transport = transport;
    this.#ticket = ticket;
    this.#handshake = new Handshake(server, transport.kind);
    const { limits } = server.config;
    this.#bucketRule = { burst: limits.framesBurst, perSecond: limits.framesPerSecond };
    this.#pulse = new Pulse(limits, server.entropy, this.#nowMs());
    this.#early = new Line({
      take: (early) => this.#takeEarly(early),
      onFailure: (cause, { atMs }) => {
        if (!(cause instanceof SecureChatError)) server.log.error('link failed', { cause });
        this.#refuse(atMs);
      },
    });
    transport.onFrame = (frame) => this.#receive(frame);
    transport.onClose = () => this.#closed();
    transport.onDrain = () => this.#progress();
    server.links.add(this);
    this.#deadline = new Deadline(limits.authDeadlineMs, () => this.finish());
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
    if (this.#early.bytes + frame.length > EARLY_BYTES_MAX) return this.#refuse(atMs);
    this.#early.push({ frame, bytes: frame.length, atMs });
  }

  /** Something came or was done. Who leaves does so once what was taken is answered. */
  #progress(): void {
    if (this.#closing) return;
    if (!this.#leaving) this.#attached?.balance();
    else if (this.#attached?.idle ?? true) this.finish();
  }

  // ---- before attach: one by one ----

  async #takeEarly({ frame, atMs }: EarlyFrame): Promise<void> {
    if (this.#attached !== undefined) this.#takeRecord(frame);
    else if (this.#established === undefined) await this.#shake(frame, atMs);
    else await this.#takeEarlyRecord(this.#established, frame, atMs);
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
    this.#deadline.extend();
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

  // ---- attached: as it comes ----

  #takeRecord(record: Uint8Array): void {
    const plaintext = this.#established?.session.open(record);
    const frames = plaintext && this.#cut(plaintext);
    if (frames === undefined) return this.#refuse(this.#pulse.heardMs);
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
    if (frame.body.length > PING_BYTES_MAX || this.#spend(1) !== undefined) this.#protocolError();
    else this.#established?.outbox.send('pong', frame.body);
  }

  #protocolError(): void {
    this.#protocolErrors += 1;
    if (this.#protocolErrors > this.#server.config.limits.protocolErrorsMax) this.#refuse(this.#pulse.heardMs);
  }

  /** Undefined: spent. Otherwise the milliseconds until there is enough. */
  #spend(cost: number): number | undefined {
    const spent = spend(this.#bucket, this.#bucketRule, this.#nowMs(), cost);
    this.#bucket = spent.bucket;
    return spent.kind === 'spent' ? undefined : spent.retryAfterMs;
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
