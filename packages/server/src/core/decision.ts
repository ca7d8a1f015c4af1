/** What a pure decision says: refused with a code, or what to write, what to do after it, and what to answer. */
import type { AccountId, Code, DeviceId, FailureDetail } from '@securechat/wire';
import type { DeviceChange, RecordWrite } from '../stores/port.ts';

export interface Refusal {
  readonly kind: 'refused';
  readonly code: Code;
  readonly detail: FailureDetail;
}

export interface Acceptance<Answer> {
  readonly kind: 'accepted';
  readonly answer: Answer;
  /** Written in one transaction with `devices`; a lost race loads and decides again. */
  readonly writes: readonly RecordWrite[];
  readonly devices?: DeviceChange;
  /** Done after the write, before the answer. */
  readonly effects: readonly Effect[];
}

export type Decision<Answer> = Refusal | Acceptance<Answer>;

/** What the shell does when a decision holds. */
export type Effect =
  /** Connections of these devices are told the code and closed. */
  | { readonly kind: 'end-devices'; readonly devices: readonly DeviceId[]; readonly code: Code }
  /** Contacts that are connected look the keys up again. `contacts`: where they cannot be asked for afterwards. */
  | { readonly kind: 'keys-changed'; readonly account: AccountId; readonly contacts?: readonly AccountId[] }
  /** Presence of the first as the second sees it may have changed. */
  | { readonly kind: 'presence-changed'; readonly account: AccountId };

export function refuse(code: Code, detail: FailureDetail = {}): Refusal {
  return { kind: 'refused', code, detail };
}

export function accept<Answer>(
  answer: Answer,
  writes: readonly RecordWrite[] = [],
  more: { readonly devices?: DeviceChange; readonly effects?: readonly Effect[] } = {},
): Acceptance<Answer> {
  return {
    kind: 'accepted',
    answer,
    writes,
    effects: more.effects ?? [],
    ...(more.devices !== undefined && { devices: more.devices }),
  };
}
