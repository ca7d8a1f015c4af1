/** What every holder of a secret needs: comparing it without a clock to read, and forgetting it. */
import { timingSafeEqual } from 'node:crypto';

/** Constant time in the content; the lengths are public. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Overwrites secrets with zeros. Copies that the runtime made are beyond reach. */
export function wipe(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}
