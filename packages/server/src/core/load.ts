/** When a connection has so much under way that nothing more is read from it: its bytes wait in the network. */
import type { Limits } from '@securechat/wire';

/** Requests of an attached device that wait for the one before. */
export const REQUESTS_WAITING_MAX = 32;
export const REQUEST_BYTES_WAITING_MAX = 1024 * 1024;
/** Bytes that the peer has not taken yet. */
export const BUFFERED_BYTES_MAX = 1024 * 1024;

export interface LinkLoad {
  readonly requests: number;
  readonly requestBytes: number;
  readonly submits: number;
  readonly submitBytes: number;
  readonly bufferedBytes: number;
  /** It sends far more than it may. */
  readonly flooding: boolean;
}

/** A client that keeps to its credit (`submitsInFlightMax`, `submitBytesInFlightMax`) is never held up by it. */
export function isTooMuch(load: LinkLoad, limits: Limits): boolean {
  return (
    load.flooding ||
    load.requests > REQUESTS_WAITING_MAX ||
    load.requestBytes > REQUEST_BYTES_WAITING_MAX ||
    load.submits > limits.submitsInFlightMax ||
    load.submitBytes > limits.submitBytesInFlightMax ||
    load.bufferedBytes > BUFFERED_BYTES_MAX
  );
}
