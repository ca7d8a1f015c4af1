/**
 * What an open registration costs: the fewer places are left, the more work. Mass accounts make their own next one dearer;
 * who has an invite does not pay.
 */
import type { Limits } from '@securechat/wire';

export interface RegistrationLoad {
  /** Registrations without an invite since midnight. */
  readonly today: number;
  /** Steps of OPAQUE that wait for a thread. */
  readonly opaqueQueued: number;
}

/**
 * Leading zero bits: `baseBits`, and one more each time what is left of the day, or of the queue, has halved; at most
 * `registrationPowRiseBits` more, and never beyond `powBitsMax`.
 */
export function registrationPowBits(baseBits: number, load: RegistrationLoad, limits: Limits): number {
  const left = Math.min(
    shareLeft(load.today, limits.registrationsPerDay),
    shareLeft(load.opaqueQueued, limits.opaqueQueuedMax),
  );
  const rise = Math.min(Math.floor(-Math.log2(left)), limits.registrationPowRiseBits);
  return Math.max(baseBits, Math.min(baseBits + rise, limits.powBitsMax));
}

/** 1 = all of it, 0 = nothing. A limit of 0 has nothing to give. */
function shareLeft(used: number, max: number): number {
  return max <= 0 ? 0 : Math.min(1, Math.max(0, max - used) / max);
}
