/**
 * Goal of the tests beside this file: every rule a hostile member, stranger or server could break is checked where RFC 9420
 * says so, and is refused with its own code. Messages are made by `forge.ts`: rightly signed around wrong content.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY } from '../../src/codec/bytes.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { MlsError } from '../../src/errors.ts';
import type { KeyPackage } from '../../src/group/key-package.ts';
import type { Policy } from '../../src/group/policy.ts';
import type { Proposal } from '../../src/group/proposal.ts';
import { policy, Client, groupOf, suite1 as suite } from '../client.ts';
import { seeded } from '../entropy.ts';

export interface Cast {
  readonly alice: Client;
  readonly bob: Client;
  readonly carol: Client;
  readonly dave: Client;
}

let count = 0;

/**
 * One rule: a group of alice, bob and carol; dave is a stranger. The deed must be refused with the code, and where the
 * error names a section of the RFC, it is the one of the name: another rule with the same code does not count.
 */
export function refusal(name: string, code: ErrorCode, deed: (cast: Cast) => unknown): void {
  const seed = `negative ${count++}`;
  test(name, () => {
    const entropy = seeded(seed);
    const [alice, bob, carol] = groupOf(['alice', 'bob', 'carol'], entropy);
    assert.ok(alice && bob && carol);
    const dave = new Client('dave', suite, entropy);
    const { code: found, message } = failureOf(() => deed({ alice, bob, carol, dave }));
    assert.equal(found, code, message);
    const [, section = ''] = /\((§[\d.]+)\)$/.exec(name) ?? [];
    if (message.includes('§')) assert.ok(message.includes(section), `${message} instead of ${section}`);
  });
}

export function failureOf(run: () => unknown): MlsError {
  try {
    run();
  } catch (error) {
    if (error instanceof MlsError) return error;
    throw error;
  }
  return assert.fail('it was not refused');
}

export const add = (keyPackage: KeyPackage): Proposal => ({ kind: 'add', keyPackage });
export const remove = (removed: number): Proposal => ({ kind: 'remove', removed });
export const lax: Policy = { ...policy, credential: () => true };

export const trap = new Uint8Array(32);
export const odd = { type: 0xff55, data: EMPTY };
