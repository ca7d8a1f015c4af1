/**
 * Wake-ups between the writer of a mailbox row and the connection that serves its device. Lossy, at most once: the truth
 * is the mailbox, which every delivery reads by cursor. The row rides along so that the usual case needs no read.
 */
import type { DeviceId } from '@securechat/wire';
import type { AppendedRow } from '../stores/port.ts';

export interface Bus {
  publish(row: AppendedRow): void;
  /** One subscriber per device and node; a newer one takes the place of the older. */
  subscribe(device: DeviceId, onRow: (row: AppendedRow) => void): Subscription;
}

export interface Subscription {
  /** Idempotent; ends only this subscription. */
  end(): void;
}
