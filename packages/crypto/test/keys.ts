/** RSA keys made once for all test files of this process; tests never change them. */
import type { RsaPrivate } from '@securechat/crypto';
import { generateRsa } from '@securechat/crypto';

export interface TestKeys {
  readonly identity: RsaPrivate<'identity'>;
  readonly otherIdentity: RsaPrivate<'identity'>;
  readonly sealing: RsaPrivate<'sealing'>;
  readonly otherSealing: RsaPrivate<'sealing'>;
  readonly thirdSealing: RsaPrivate<'sealing'>;
}

const [identity, otherIdentity, sealing, otherSealing, thirdSealing] = await Promise.all([
  generateRsa('identity', 2048),
  generateRsa('identity', 2048),
  generateRsa('sealing', 2048),
  generateRsa('sealing', 2048),
  generateRsa('sealing', 2048),
]);

export const keys: TestKeys = { identity, otherIdentity, sealing, otherSealing, thirdSealing };
