/** Lists of ids in one column or one message: 22 characters each, one after the other. */
import type { BinaryId, DeviceId } from '@securechat/wire';
import type { StoredAt } from '../../core/submit-facts.ts';

const ID_CHARS = 22;

export function packIds(ids: readonly BinaryId[]): string {
  return ids.join('');
}

export function unpackIds<Id extends BinaryId>(packed: string): Id[] {
  const ids: Id[] = [];
  for (let at = 0; at < packed.length; at += ID_CHARS) ids.push(packed.slice(at, at + ID_CHARS) as Id);
  return ids;
}

/** Each id is followed by `+` (stored) or `!` (resync). */
export function packDevices(devices: readonly StoredAt[]): string {
  let packed = '';
  for (const { device, state } of devices) packed += device + (state === 'stored' ? '+' : '!');
  return packed;
}

export function unpackDevices(packed: string): StoredAt[] {
  const devices: StoredAt[] = [];
  for (let at = 0; at < packed.length; at += ID_CHARS + 1)
    devices.push({
      device: packed.slice(at, at + ID_CHARS) as DeviceId,
      state: packed[at + ID_CHARS] === '+' ? 'stored' : 'resync',
    });
  return devices;
}
