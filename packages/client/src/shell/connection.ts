/**
 * The connection of an open account: one link at a time, opened and attached when the core says so. Late words of an old
 * one are not heard.
 */
import type { ClientId, Code, control } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { hear } from './hear.ts';
import { HeldEvents } from './link/link-events.ts';
import type { ForwardedEvents } from './link/link-events.ts';
import type { Link, LinkEvents } from './link/link-port.ts';
import type { AttachedOver } from './online.ts';
import { attachOver } from './online.ts';
import type { OpenAccount } from './open-account.ts';
import { failureOf } from './open-account.ts';
import type { OpenedLink } from './link/server-pin.ts';

/** Of the last attach, to be used once. */
export interface Resumption {
  readonly handle: Uint8Array;
  readonly secret: Uint8Array;
  readonly expiresMs: number;
}

/** A link that a login or a registration left open. */
export interface HandOver {
  readonly link: OpenedLink;
  readonly events: ForwardedEvents;
}

export interface ConnectionOptions {
  /** A connection to the account's server. */
  readonly open: (events: LinkEvents, resumption: Resumption | undefined) => Promise<OpenedLink>;
  /** What the server says on it is heard right after this. */
  readonly onAttached: (attached: AttachedOver) => void;
  /** It ended, or never came to be; the server may have said when to come back. */
  readonly onClosed: (code: Code, retryAfterMs?: number) => void;
}

export class Connection {
  readonly #account: OpenAccount;
  readonly #options: ConnectionOptions;
  #link: Link | undefined;
  /** A link that is not attached yet. */
  #opening: Link | undefined;
  #attached: control.Attached | undefined;
  #resumption: Resumption | undefined;
  /** Counts the links, so that a late word of an old one is not heard. */
  #attempt = 0;

  constructor(account: OpenAccount, options: ConnectionOptions) {
    this.#account = account;
    this.#options = options;
  }

  /** The attached link; undefined while there is none. */
  get link(): Link | undefined {
    return this.#link;
  }
  /** What the server said at the last attach. */
  get attached(): control.Attached | undefined {
    return this.#attached;
  }

  /** Over `handOver` if there is a link already. Whatever comes of it is told by `onAttached` or `onClosed`. */
  async open(handOver: HandOver | undefined): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    const account = this.#account;
    const current = (): boolean => attempt === this.#attempt && !account.ended();
    const events = new HeldEvents(this.#linkEvents(current), () => this.#opening?.close());
    try {
      if (handOver !== undefined) handOver.events.target = events;
      const { link } = handOver?.link ?? (await this.#options.open(events, this.#takeResumption()));
      if (!current()) return link.close();
      this.#opening = link;
      await account.inbox.pause();
      const attached = await attachOver(account, link);
      if (!current()) return link.close();
      this.#attached = attached.answer;
      this.#link = link;
      this.#resumption = resumptionIn(attached.answer);
      account.inbox.attached(attached.answer, attached.rolledBack);
      this.#options.onAttached(attached);
      events.release();
    } catch (cause) {
      this.#opening?.close();
      const { code, detail } = failureOf(cause);
      if (current()) this.#closed(code, detail.retryAfterMs);
    } finally {
      this.#opening = undefined;
    }
  }

  /** At once, and nobody is told. */
  close(): void {
    this.#attempt += 1;
    const links = [this.#link, this.#opening];
    this.#link = undefined;
    for (const link of links) link?.close();
  }

  /** This device has other keys now. */
  forgetResumption(): void {
    this.#resumption = undefined;
  }

  #takeResumption(): Resumption | undefined {
    const resumption = this.#resumption;
    this.#resumption = undefined;
    return resumption !== undefined && resumption.expiresMs > this.#account.nowMs() ? resumption : undefined;
  }

  #closed(code: Code, retryAfterMs?: number): void {
    this.#attempt += 1;
    this.#link = undefined;
    this.#options.onClosed(code, retryAfterMs);
  }

  #linkEvents(current: () => boolean): LinkEvents {
    const account = this.#account;
    return {
      onDeliver: (row) => {
        if (current()) account.inbox.push(row);
      },
      onAccepted: ({ id, presence }) => {
        if (!current()) return;
        const row = account.ledger.outboxBySubmit(id);
        if (row !== undefined) account.presences.accepted(row.user, presence);
        account.dispatch({ kind: 'accepted', id });
      },
      onRefused: (id, { code, detail }) => {
        if (current()) account.dispatch({ kind: 'refused', id: id as ClientId, code, detail });
      },
      onEvent: (event) => {
        if (current()) hear(account, event);
      },
      onClosed: (code, cause) => {
        const retryAfterMs = cause instanceof SecureChatError ? cause.detail.retryAfterMs : undefined;
        // Before the attach its failure is told by the call itself.
        if (current() && this.#link !== undefined) this.#closed(code, retryAfterMs);
      },
    };
  }
}

function resumptionIn(attached: control.Attached): Resumption | undefined {
  if (attached.resumptionHandle.length === 0) return undefined;
  return {
    handle: attached.resumptionHandle,
    secret: attached.resumptionSecret,
    expiresMs: attached.resumptionExpiresMs,
  };
}
