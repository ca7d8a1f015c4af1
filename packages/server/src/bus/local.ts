/** The bus inside one process. */
import type { DeviceId } from '@securechat/wire';
import type { AppendedRow } from '../stores/port.ts';
import type { Bus, Subscription } from './port.ts';

export function createLocalBus(): Bus {
  const subscribers = new Map<DeviceId, (row: AppendedRow) => void>();
  return {
    publish: (row) => subscribers.get(row.device)?.(row),
    subscribe(device, onRow): Subscription {
      subscribers.set(device, onRow);
      return {
        end() {
          if (subscribers.get(device) === onRow) subscribers.delete(device);
        },
      };
    },
  };
}
