/**
 * What lasts as long as a connection: which devices are attached, and which chain numbers were refused to them. In
 * memory, because it ends with the process anyway.
 */
import type { DeviceId, GroupId, Submit } from '@securechat/wire';
import { afterAccepted, afterRefusal } from '../../core/chain.ts';
import type { RefusedChain } from '../../core/chain.ts';

/**
 * Groups of one device with something refused. More than `submitsInFlightMax` conversations with an open refusal are no
 * honest device; the oldest is dropped, which costs order only where the client broke it.
 */
const REFUSED_GROUPS_MAX = 256;

interface Attachment {
  readonly generation: number;
  readonly refused: Map<GroupId, RefusedChain>;
}

export class Attachments {
  readonly #byDevice = new Map<DeviceId, Attachment>();

  attach(device: DeviceId, generation: number): void {
    this.#byDevice.set(device, { generation, refused: new Map() });
  }

  detach(device: DeviceId, generation: number): void {
    if (this.#byDevice.get(device)?.generation === generation) this.#byDevice.delete(device);
  }

  end(device: DeviceId): void {
    this.#byDevice.delete(device);
  }

  has(device: DeviceId): boolean {
    return this.#byDevice.has(device);
  }

  refused(device: DeviceId, group: GroupId): RefusedChain | undefined {
    return this.#byDevice.get(device)?.refused.get(group);
  }

  note(device: DeviceId, { group, chainNumber }: Submit, accepted: boolean): void {
    const refused = this.#byDevice.get(device)?.refused;
    if (refused === undefined) return;
    const before = refused.get(group);
    const after = accepted ? afterAccepted(before, chainNumber) : afterRefusal(before, chainNumber);
    if (after === before) return;
    if (after === undefined) {
      refused.delete(group);
      return;
    }
    refused.set(group, after);
    if (refused.size > REFUSED_GROUPS_MAX)
      for (const oldest of refused.keys()) {
        refused.delete(oldest);
        break;
      }
  }
}
