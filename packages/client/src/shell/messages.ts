/** What a person does with messages and files, by user name. */
import type { MessageId } from '@securechat/wire';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import type { HistoryQuery, Message, SendOptions, SendResult } from '../api.ts';
import { RECEIPTS_OWED_MAX } from '../core/record-conversation.ts';
import { messageView } from '../core/record-message.ts';
import type { Engine } from './engine.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { Answer } from './open-account.ts';
import { Sender } from './send/send.ts';
import { otherUser } from './people/user-name.ts';

const HISTORY_DEFAULT = 50;
const HISTORY_MAX = 1000;
/** Older ones stay "delivered" at their sender. */
const READ_TOLD_MAX = 256;
/** Messages of the history that are read at once for it. */
const PAGE_MAX = 128;

export class Messages {
  readonly #engine: Engine;
  readonly #sender: Sender;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#sender = new Sender(engine);
  }

  send(to: string, text: string, options: SendOptions): Promise<SendResult> {
    return this.#sender.send(otherUser(this.#engine, to), text, options);
  }

  resend(id: string): Promise<SendResult> {
    return this.#sender.resend(id);
  }

  async history(query: HistoryQuery): Promise<readonly Message[]> {
    const { ledger } = this.#engine;
    const user = otherUser(this.#engine, query.with);
    const limit = Math.min(HISTORY_MAX, Math.max(1, Math.trunc(query.limit ?? HISTORY_DEFAULT)));
    const { before } = query;
    if (before !== undefined && !(await ledger.hasMessage(user, before as MessageId)))
      throw new SecureChatError('USAGE', { text: 'This conversation has no message of the id in "before".' });
    const records = await ledger.messages(user, { limit, ...(before !== undefined && { before }) });
    return records.map((record) => messageView(record, user, ledger.account.username));
  }

  async markRead(user: string): Promise<void> {
    const engine = this.#engine;
    const name = otherUser(engine, user);
    await engine.serial.run(name, async () => {
      const conversation = engine.ledger.conversation(name);
      if (conversation.unread === 0) return;
      const ids = engine.receipts.mayKnow(name) ? await newestOf(engine.ledger, name, conversation.unread) : [];
      const read = [...conversation.read, ...ids].slice(-RECEIPTS_OWED_MAX);
      // "Read" says "delivered" as well.
      const delivered = conversation.delivered.filter((id) => !read.includes(id));
      const value = { ...conversation, unread: 0, read, delivered };
      await engine.ledger.commit([{ put: 'conversation', value }]);
    });
    engine.receipts.owed(name);
  }

  async sendFile(to: string, path: string): Promise<{ readonly id: string }> {
    const engine = this.#engine;
    const user = otherUser(engine, to);
    await this.#sender.admit(user);
    const { promise: heard, resolve: hear } = Promise.withResolvers<Answer>();
    const bytesMax = engine.fileBytesMax ?? defaultLimits.fileBytesMax;
    const offer = await engine.transfers.offer(user, path, bytesMax, (order) => engine.waitFor(order, hear));
    const answer = await this.#sender.settled(Promise.resolve(offer.order), heard).finally(() => offer.done());
    if (answer?.kind === 'failed') throw new SecureChatError(answer.code);
    return { id: offer.id };
  }
}

/** Ids of the newest messages that the other side wrote, oldest first; at most as many as a read receipt is owed for. */
async function newestOf(ledger: Ledger, user: string, count: number): Promise<readonly MessageId[]> {
  const wanted = Math.min(count, READ_TOLD_MAX);
  const ids: MessageId[] = [];
  for (let before: MessageId | undefined; ids.length < wanted;) {
    // Own messages lie between them.
    const limit = Math.min(PAGE_MAX, 2 * (wanted - ids.length) + 4);
    const page = await ledger.messages(user, { limit, ...(before !== undefined && { before }) });
    if (page.length === 0) break;
    before = page[0]?.id;
    for (const { own, id } of page.toReversed()) if (!own && ids.length < wanted) ids.unshift(id);
  }
  return ids;
}
