/** How far a connection has come, once its session stands. */
import type { AccountId, DeviceId } from '@securechat/wire';
import type { Admittance } from '../../core/accounts.ts';

export type LinkState =
  | { readonly kind: 'anonymous' }
  /** RegisterStart was accepted; nothing is written. */
  | {
      readonly kind: 'registering';
      readonly username: string;
      readonly skeleton: string;
      readonly admittance: Admittance;
    }
  /** LoginStart was answered; for an unknown user as well. */
  | {
      readonly kind: 'logging-in';
      readonly username: string;
      readonly account: AccountId | undefined;
      /** OPAQUE state of the server: a secret of this login. */
      readonly opaque: string;
      readonly ke1: string;
      readonly ke2: string;
    }
  | { readonly kind: 'logged-in'; readonly account: AccountId }
  /** The device proved its signing key and got its secret; only AttachConfirm may follow. */
  | { readonly kind: 'attaching'; readonly account: AccountId; readonly device: DeviceId }
  | {
      readonly kind: 'attached';
      readonly account: AccountId;
      readonly device: DeviceId;
      readonly generation: number;
      /** Handle of the resumption issued at attach, base64url. */
      readonly resumption: string;
    };

/** Since when a request is allowed. */
export type When = 'before-attach' | 'confirming' | 'logged-in' | 'attached';

export function allows(when: When, state: LinkState): boolean {
  switch (when) {
    case 'before-attach':
      return state.kind !== 'attached' && state.kind !== 'attaching';
    case 'confirming':
      return state.kind === 'attaching';
    case 'logged-in':
      return state.kind === 'logged-in' || state.kind === 'attached';
    case 'attached':
      return state.kind === 'attached';
  }
}
