/** TLS of the listeners. It protects names and times on the way; what the sealed session promises does not rest on it. */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { SecureContextOptions } from 'node:tls';
import { StartError } from '../../start-error.ts';

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** StartError with one sentence when a file is missing, does not fit the other, or the key is open to everybody. */
export function readTlsMaterial(files: { readonly certFile: string; readonly keyFile: string }): TlsMaterial {
  const material = { cert: read(files.certFile, 'certificate'), key: read(files.keyFile, 'private key') };
  // Group access is left alone: distributions keep keys in a group such as ssl-cert.
  if (process.platform !== 'win32' && (statSync(files.keyFile).mode & 0o007) !== 0)
    throw new StartError(
      2,
      `The TLS private key ${files.keyFile} can be read by everybody; run: chmod o= '${files.keyFile}'`,
    );
  try {
    createSecureContext(material);
  } catch (cause) {
    throw new StartError(2, 'The TLS certificate and private key cannot be used together.', { cause });
  }
  return material;
}

/** TLS 1.3, and 1.2 with forward secrecy and authenticated encryption. */
export function tlsOptions(material: TlsMaterial): SecureContextOptions {
  return {
    cert: material.cert,
    key: material.key,
    minVersion: 'TLSv1.2',
    ciphers: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE+AESGCM:ECDHE+CHACHA20',
    honorCipherOrder: true,
  };
}

function read(path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new StartError(2, `The TLS ${what} ${path} cannot be read.`, { cause });
  }
}
