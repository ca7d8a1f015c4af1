/** Key packages of the port: made, their secrets stored, those of others read. */
import { wipe } from '@securechat/crypto';
import {
  createKeyPackage,
  encodeMessage,
  keyPackageRef,
  MlsError,
  readVerifiedKeyPackage,
  welcomedReferences as referencesIn,
} from '@securechat/mls';
import { ByteReader, ByteWriter, defaultLimits, SecureChatError } from '@securechat/wire';
import type { MlsEngine } from '../engine.ts';
import { capabilities, identityOf, leafOf, lifetimeOf, validityOf } from './members.ts';
import { orRefused } from './refusal.ts';
import { suite } from './suite.ts';

const SECRETS_VERSION = 1;

export const keyPackage: MlsEngine['keyPackage'] = ({ own, validity, entropy }) => {
  const made = createKeyPackage(suite, {
    identity: identityOf(own),
    capabilities,
    lifetime: lifetimeOf(validity),
    entropy,
  });
  const { initKey, encryptionKey } = made.secrets;
  const secrets = new ByteWriter(80).u8(SECRETS_VERSION).vec16(initKey).vec16(encryptionKey).done();
  wipe(initKey, encryptionKey);
  const bytes = encodeMessage({ kind: 'key-package', keyPackage: made.keyPackage });
  return { keyPackage: bytes, reference: keyPackageRef(suite, made.keyPackage), secrets };
};

/** SCHEMA_NEWER, PROFILE_DAMAGED. */
export function keyPackageSecrets(bytes: Uint8Array): {
  readonly initKey: Uint8Array;
  readonly encryptionKey: Uint8Array;
} {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== SECRETS_VERSION)
    throw new SecureChatError(version > SECRETS_VERSION ? 'SCHEMA_NEWER' : 'PROFILE_DAMAGED');
  const secrets = { initKey: reader.vec16().slice(), encryptionKey: reader.vec16().slice() };
  reader.end();
  return secrets;
}

export function verified(bytes: Uint8Array): ReturnType<typeof readVerifiedKeyPackage> {
  if (bytes.length > defaultLimits.keyPackageBytesMax) throw new MlsError('malformed', 'size of a key package');
  return readVerifiedKeyPackage(suite, bytes);
}

export const readKeyPackage: MlsEngine['readKeyPackage'] = (bytes) => {
  const read = orRefused(() => verified(bytes));
  if ('reason' in read) return undefined;
  const { source } = read.leaf;
  if (source.kind !== 'key-package') return undefined;
  const { credential, signingKey } = leafOf({ leaf: 0, node: read.leaf });
  return { reference: keyPackageRef(suite, read), credential, signingKey, validity: validityOf(source.lifetime) };
};

export const welcomedReferences: MlsEngine['welcomedReferences'] = (welcome) => {
  const references = orRefused(() => referencesIn(welcome));
  return 'reason' in references ? undefined : references.map((one) => one.slice());
};
