/** Who may start a registration here, before any name is looked at: strangers must not probe names for nothing. */
import type { Registration } from '../config-rows.ts';
import type { Admittance } from './accounts.ts';
import type { Decision } from './decision.ts';
import { accept, refuse } from './decision.ts';
import { useInvite } from './invites.ts';
import type { InviteRecord, Versioned } from './records.ts';

export interface AdmittanceFacts {
  readonly registration: Registration;
  readonly inviteGiven: boolean;
  /** Hash of the code; undefined where it can be none. */
  readonly inviteKey: string | undefined;
  readonly invite: Versioned<InviteRecord> | undefined;
  /** A fresh challenge of ours, unused, with enough work done on it. */
  readonly workHolds: boolean;
}

export function decideAdmittance(facts: AdmittanceFacts, nowMs: number): Decision<Admittance> {
  if (facts.registration === 'closed') return refuse('REGISTRATION_CLOSED');
  if (facts.inviteGiven) {
    const key = facts.inviteKey;
    if (key === undefined || useInvite(key, facts.invite, nowMs) === undefined) return refuse('INVITE_INVALID');
    return accept({ kind: 'invite', key });
  }
  if (facts.registration === 'invite') return refuse('INVITE_REQUIRED');
  return facts.workHolds ? accept({ kind: 'work' }) : refuse('POW_INVALID');
}
