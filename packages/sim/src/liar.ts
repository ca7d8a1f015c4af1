/**
 * A server that lies, on the wire. What it does to its own database while nobody looks is in `tamper.ts`. Each lie is
 * told once: at the next occasion after it was asked for.
 */
import type { ResponseBody } from '@securechat/server/parts';
import type { ClientId, DeviceId } from '@securechat/wire';
import { decodeSubmit, encodeAccepted, idOf } from '@securechat/wire';
import type { Chance } from './chance.ts';
import type { Witness } from './witness.ts';

export const lies = [
  'rows again on the same connection',
  'an acceptance of what was never sent',
  'an acceptance of what is not stored',
  'numbers of the past at attach',
  'numbers of the future at attach',
] as const;
export type Lie = (typeof lies)[number];

/** Rows that it remembers of each device. */
const KEPT = 12;

export class Liar {
  readonly #chance: Chance;
  readonly #witness: Witness;
  readonly #sent = new Map<DeviceId, Uint8Array[]>();
  #next: Lie | undefined;

  constructor(chance: Chance, witness: Witness) {
    this.#chance = chance;
    this.#witness = witness;
  }

  tell(lie: Lie | undefined): void {
    this.#next = lie;
  }

  /** Bodies of the `deliver` frames to send instead of one. */
  rows(device: DeviceId, body: Uint8Array): readonly Uint8Array[] {
    const before = this.#sent.get(device) ?? [];
    this.#sent.set(device, [...before, body].slice(-KEPT));
    if (!this.#tells('rows again on the same connection')) return [body];
    const again = before[this.#chance.between(0, before.length - 1)] ?? body;
    return [body, body, again];
  }

  answer(body: ResponseBody): ResponseBody {
    if (body.$case !== 'attachConfirm') return body;
    const { mailboxNext, submitNumberHighest } = body.value;
    const far = this.#chance.between(1, 20);
    if (this.#tells('numbers of the past at attach')) {
      const value = { ...body.value, mailboxNext: Math.max(1, mailboxNext - far) };
      return { ...body, value: { ...value, submitNumberHighest: Math.max(1, submitNumberHighest - far) } };
    }
    if (!this.#tells('numbers of the future at attach')) return body;
    const value = { ...body.value, mailboxNext: mailboxNext + far, submitNumberHighest: submitNumberHighest + far };
    return { ...body, value };
  }

  /** The acceptance to send instead of storing it. */
  submit(body: Uint8Array): Uint8Array | undefined {
    const { id, kind } = decodeSubmit(body);
    if (kind !== 'message' || !this.#tells('an acceptance of what is not stored')) return undefined;
    this.#witness.neverStored.add(id);
    return encodeAccepted({ id, presence: 'online', devices: [] });
  }

  /** An acceptance out of the blue. */
  unasked(): Uint8Array | undefined {
    if (!this.#tells('an acceptance of what was never sent')) return undefined;
    const bytes = Uint8Array.from({ length: 16 }, () => this.#chance.between(0, 255));
    return encodeAccepted({ id: idOf<ClientId>(bytes), presence: 'online', devices: [] });
  }

  #tells(lie: Lie): boolean {
    if (this.#next !== lie) return false;
    this.#next = undefined;
    this.#witness.lied(lie);
    return true;
  }
}
