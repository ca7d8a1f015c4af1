/** TLS certificates of operators: nothing of ours rests on them. */
import { X509Certificate } from 'node:crypto';

/** When the first certificate of a PEM file ends, Unix ms. Throws for anything else. */
export function x509NotAfterMs(pem: string): number {
  return new X509Certificate(pem).validToDate.getTime();
}
