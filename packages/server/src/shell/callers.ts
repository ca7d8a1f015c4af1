/** Who calls: the ids that a state of the link holds, for operations whose `when` promises that they are there. */
import type { AccountId, DeviceId } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { Caller } from './execute.ts';

/** NOT_AUTHENTICATED before a login. */
export function accountOf({ state }: Caller): AccountId {
  if (state.kind !== 'logged-in' && state.kind !== 'attached') throw new SecureChatError('NOT_AUTHENTICATED');
  return state.account;
}

/** NOT_AUTHENTICATED before an attach. */
export function deviceOf({ state }: Caller): DeviceId {
  if (state.kind !== 'attached') throw new SecureChatError('NOT_AUTHENTICATED');
  return state.device;
}
