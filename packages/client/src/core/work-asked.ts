/** How much proof of work a server may ask for: whoever is told to hash for days is being held up, not let in. */
import type { control } from '@securechat/wire';
import { limits, SecureChatError } from '@securechat/wire';

/** POW_INVALID for more than `powBitsMax` bits. */
export function insistOnBearableWork({ powBits }: Pick<control.ChallengeAnswer, 'powBits'>): void {
  if (powBits > limits.powBitsMax.value)
    throw new SecureChatError('POW_INVALID', { text: 'The server asks for more work than the protocol allows.' });
}
