/** Keys from passwords for what lies on this machine (Argon2id, RFC 9106). */
import { argon2 } from 'node:crypto';
import { promisify } from 'node:util';
import { plain } from './plain.ts';

const argon2Async = promisify(argon2);

export const passwordKeyDefaults = { memoryKiB: 64 * 1024, passes: 3 } as const;

export interface PasswordKeyInput {
  readonly password: string;
  /** 16 bytes or more, random, stored beside what the key wraps. */
  readonly salt: Uint8Array;
  readonly memoryKiB?: number;
  readonly passes?: number;
}

/** 32 bytes, computed off the main thread: 0.3 to 0.5 s at the defaults. The password is normalised to NFKC first. */
export async function passwordKey(input: PasswordKeyInput): Promise<Uint8Array<ArrayBuffer>> {
  const message = Buffer.from(input.password.normalize('NFKC'), 'utf8');
  try {
    const tag = await argon2Async('argon2id', {
      message,
      nonce: input.salt,
      parallelism: 1,
      tagLength: 32,
      memory: input.memoryKiB ?? passwordKeyDefaults.memoryKiB,
      passes: input.passes ?? passwordKeyDefaults.passes,
    });
    return plain(tag);
  } finally {
    message.fill(0);
  }
}
