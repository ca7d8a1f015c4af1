/** Errors of the library as refusals of the port. */
import type { ErrorCode } from '@securechat/mls';
import { MlsError } from '@securechat/mls';
import { SecureChatError } from '@securechat/wire';
import type { EngineRefusal, Refused } from '../engine.ts';

/** `bug`: no input of another causes it. */
const refusals: Readonly<Record<ErrorCode, EngineRefusal | 'bug'>> = {
  malformed: 'malformed',
  limit: 'malformed',
  unsupported: 'malformed',
  'wrong-kind': 'malformed',
  'bad-padding': 'malformed',
  'wrong-group': 'other-group',
  'too-old': 'too-old',
  'too-new': 'too-new',
  'too-far-ahead': 'too-far-ahead',
  replayed: 'replayed',
  'own-message': 'own',
  undecryptable: 'undecryptable',
  'bad-signature': 'bad-signature',
  'bad-membership-tag': 'bad-signature',
  'bad-confirmation-tag': 'bad-signature',
  'unknown-sender': 'policy',
  'invalid-key-package': 'policy',
  'invalid-leaf': 'policy',
  'invalid-tree': 'policy',
  'invalid-proposal': 'policy',
  'invalid-path': 'policy',
  'missing-path': 'policy',
  'missing-proposal': 'policy',
  'missing-tree': 'policy',
  'missing-psk': 'no-psk',
  'no-key-package': 'no-key-package',
  expired: 'policy',
  'refused-credential': 'credential',
  'refused-change': 'policy',
  closed: 'policy',
  'damaged-state': 'bug',
  'rolled-back-state': 'bug',
  'bad-argument': 'bug',
};

export function refused(reason: EngineRefusal): Refused {
  return { kind: 'refused', reason };
}

/** The result, or why the bytes of another were refused. What is nobody's fault but ours is thrown: INTERNAL. */
export function orRefused<T>(work: () => T): T | Refused {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof MlsError)) throw cause;
    const reason = refusals[cause.code];
    if (reason === 'bug') throw internal(cause);
    return refused(reason);
  }
}

export function orInternal<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw cause instanceof MlsError ? internal(cause) : cause;
  }
}

function internal(cause: MlsError): SecureChatError {
  return new SecureChatError('INTERNAL', { text: cause.message }, { cause });
}
