/** Listeners of a link that stand between it and the engine. */
import type { Accepted, Code, control, Deliver, SecureChatError } from '@securechat/wire';
import type { LinkEvents } from './link-port.ts';

/** What a server may say before the attach is stored here: more than its window, and it is not heard. */
const HELD_MAX = 1_000;

/** Events of a link whose listener changes: the one that registers or logs in, then the engine. */
export class ForwardedEvents implements LinkEvents {
  target: LinkEvents | undefined;
  onDeliver(row: Deliver): void {
    this.target?.onDeliver(row);
  }
  onAccepted(accepted: Accepted): void {
    this.target?.onAccepted(accepted);
  }
  onRefused(id: string, error: SecureChatError): void {
    this.target?.onRefused(id, error);
  }
  onEvent(event: control.Event): void {
    this.target?.onEvent(event);
  }
  onClosed(code: Code, cause?: unknown): void {
    this.target?.onClosed(code, cause);
  }
}

/** Rows and answers that come before the attach is stored wait for it. */
export class HeldEvents implements LinkEvents {
  readonly #target: LinkEvents;
  readonly #onFlood: () => void;
  #held: (() => void)[] | undefined = [];

  constructor(target: LinkEvents, onFlood: () => void) {
    this.#target = target;
    this.#onFlood = onFlood;
  }
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const tell of held) tell();
  }
  #pass(tell: () => void): void {
    if (this.#held === undefined) tell();
    else if (this.#held.length < HELD_MAX) this.#held.push(tell);
    else this.#onFlood();
  }
  onDeliver(row: Deliver): void {
    this.#pass(() => this.#target.onDeliver(row));
  }
  onAccepted(accepted: Accepted): void {
    this.#pass(() => this.#target.onAccepted(accepted));
  }
  onRefused(id: string, error: SecureChatError): void {
    this.#pass(() => this.#target.onRefused(id, error));
  }
  onEvent(event: control.Event): void {
    this.#pass(() => this.#target.onEvent(event));
  }
  onClosed(code: Code, cause?: unknown): void {
    const tell = (): void => this.#target.onClosed(code, cause);
    if (this.#held === undefined) tell();
    else this.#held.push(tell);
  }
}
