/** From `send` to the outbox, and back with what became of it. */
import type { Body } from '@securechat/e2ee';
import type { MessageId, Presence } from '@securechat/wire';
import { limits, SecureChatError } from '@securechat/wire';
import type { SendOptions, SendResult } from '../../api.ts';
import { isPassing } from '../../core/answers.ts';
import type { ContactRecord } from '../../core/record-contact.ts';
import type { MessageRecord } from '../../core/record-message.ts';
import type { Engine } from '../engine.ts';
import { freshId } from '../fresh-id.ts';
import type { Answer } from '../open-account.ts';
import { failureOf } from '../open-account.ts';
import { isHalted } from '../people/people.ts';
import { queueContent } from './queue.ts';
import { Serial } from '../serial.ts';

/** How long a caller waits for the server before the message counts as queued. */
const ANSWER_MS = 5_000;

export class Sender {
  readonly #engine: Engine;
  /** Messages to one person are stored in the order of the calls, whatever each has to wait for first. */
  readonly #order = new Serial();

  readonly #answerMs: number;

  constructor(engine: Engine, answerMs: number = ANSWER_MS) {
    this.#engine = engine;
    this.#answerMs = answerMs;
  }

  /**
   * Refusals that are known at once, and those of the server within 5 s, reject; later ones come as events. One rejection
   * is no refusal: after OUTCOME_UNKNOWN the message goes out once the client was started again, or is not there.
   */
  async send(user: string, text: string, options: SendOptions): Promise<SendResult> {
    if (!text.isWellFormed()) throw new SecureChatError('USAGE', { text: 'The text is not valid Unicode.' });
    if (new TextEncoder().encode(text).length > limits.textBytesMax.value) throw new SecureChatError('TEXT_TOO_LONG');
    const replyTo = options.replyTo as MessageId | undefined;
    const id = freshId<MessageId>(this.#engine.entropy);
    const body: Body = { kind: 'text', text, ...(replyTo !== undefined && { replyTo }) };
    return this.#queue(user, id, body, options);
  }

  /** A failed message of ours again, under its id. NO_SUCH_GROUP when there is none. */
  async resend(id: string): Promise<SendResult> {
    const { ledger } = this.#engine;
    for (const user of ledger.conversations.keys()) {
      const record = await ledger.message(user, id as MessageId);
      if (record === undefined || !record.own) continue;
      if (record.state !== 'failed') throw new SecureChatError('NO_SUCH_GROUP', { text: 'This message did not fail.' });
      const { text, replyTo } = record;
      return this.#queue(user, record.id, { kind: 'text', text, ...(replyTo !== undefined && { replyTo }) }, {});
    }
    throw new SecureChatError('NO_SUCH_GROUP', { text: 'There is no such message.' });
  }

  /** What may be written to at all. NO_SUCH_USER, YOU_BLOCKED, KEY_CHANGED, NOT_VERIFIED. */
  async admit(user: string, options: Pick<SendOptions, 'requireVerified'> = {}): Promise<void> {
    const contact = await this.#contact(user);
    if (contact?.blocked === true) throw new SecureChatError('YOU_BLOCKED');
    if (isHalted(contact)) throw new SecureChatError('KEY_CHANGED');
    const verified = contact !== undefined && contact.verified && !contact.changed;
    if (options.requireVerified === true && !verified) throw new SecureChatError('NOT_VERIFIED');
  }

  /** Waits for an item up to 5 s; `undefined`: it stays queued. */
  async settled(order: Promise<number>, heard: Promise<Answer>): Promise<Answer | undefined> {
    await order;
    if (this.#engine.connection === 'offline') return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), this.#answerMs);
    try {
      return await Promise.race([heard, promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #queue(user: string, id: MessageId, body: Body & { kind: 'text' }, options: SendOptions): Promise<SendResult> {
    const engine = this.#engine;
    const { promise: heard, resolve: hear } = Promise.withResolvers<Answer>();
    const order = this.#order.run(user, async () => {
      if (options.onlineOnly === true && engine.link() === undefined) throw new SecureChatError('UNREACHABLE');
      await this.admit(user, options);
      const record: MessageRecord = {
        id,
        own: true,
        unreadable: false,
        text: body.text,
        sentMs: engine.nowMs(),
        replyTo: body.replyTo,
        state: 'queued',
        code: undefined,
      };
      // Its place is taken in this turn; the next may take its own before this one is on disk, and share the commit.
      const stored = queueContent(engine, {
        user,
        kind: 'message',
        body,
        id,
        onlineOnly: options.onlineOnly === true,
        with: [{ put: 'message', user, value: record }],
        onOrder: (number) => engine.waitFor(number, hear),
      });
      stored.catch(() => undefined);
      return { stored };
    });
    const { stored } = await order;
    const answer = await this.settled(stored, heard);
    if (answer?.kind === 'failed') throw new SecureChatError(answer.code);
    if (answer === undefined) return { id, state: 'queued', recipient: shown(engine.presences.get(user)) };
    return { id, state: 'sent', recipient: shown(answer.presence) };
  }

  /** Somebody new is looked up before anything is stored; without a connection that has to wait. */
  async #contact(user: string): Promise<ContactRecord | undefined> {
    const engine = this.#engine;
    const known = engine.ledger.contacts.get(user);
    if (known !== undefined || engine.link() === undefined) return known;
    try {
      return await engine.people.lookup(engine, user);
    } catch (cause) {
      const failure = failureOf(cause);
      if (isPassing(failure.code)) return undefined;
      throw failure;
    }
  }
}

export function shown(presence: Presence | undefined): 'online' | 'offline' | 'unknown' {
  return presence ?? 'unknown';
}
