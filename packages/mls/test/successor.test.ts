/**
 * Goal: what continues a group, or is a part of it, is held to RFC 9420 §11.2 and §11.3, by whoever founds it and by
 * whoever joins. Method: a succession that is right, and one thing in it changed at a time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demandSuccession, foundBranch, foundReinitialised } from '../src/group/successor.ts';
import type { GroupState } from '../src/group/state.ts';
import type { PskId } from '../src/schedule/psk.ts';
import { sameCredential } from '../src/tree/credential.ts';
import type { LeafNode } from '../src/tree/leaf-node.ts';
import { Client, capabilities, groupOf, judge, lifetime, refuses, suite1 as suite, suites } from './client.ts';
import { seeded } from './entropy.ts';

const sameClient = (before: LeafNode, after: LeafNode): boolean => sameCredential(before.credential, after.credential);

type Resumption = Extract<PskId, { readonly kind: 'resumption' }>;
type Reinit = Extract<GroupState['status'], { readonly kind: 'reinitialised' }>['reinit'];

interface Change {
  readonly psk?: Partial<Resumption>;
  readonly context?: Partial<GroupState['context']>;
  readonly tree?: GroupState['tree'];
  readonly reinit?: Partial<Reinit>;
  readonly status?: GroupState['status'];
}

const [alice] = groupOf(['alice', 'bob'], seeded('successor'));
assert.ok(alice);
const { state: before } = alice;
const groupId = alice.entropy(16);
const context = { ...before.context, groupId, epoch: 1n };
const more = { type: 0xff01, data: new Uint8Array(1) };
const { tree: alone } = new Client('alice', suite, alice.entropy).create().state;
const { tree: strange } = new Client('mallory', suite, alice.entropy).create().state;

function succeed(usage: 'reinit' | 'branch', change: Change = {}): void {
  const reinit = { groupId, version: 1, suite: suite.id, extensions: [], ...change.reinit };
  const { groupId: old, epoch } = before.context;
  const nonce = new Uint8Array(suite.hashBytes);
  const psk: PskId = { kind: 'resumption', usage, groupId: old, epoch, nonce, ...change.psk };
  const ended = { kind: 'reinitialised', reinit } as const;
  const state = { ...before, status: change.status ?? (usage === 'reinit' ? ended : before.status) };
  demandSuccession({
    ids: [{ kind: 'external', id: nonce, nonce }, psk],
    context: { ...context, ...change.context },
    tree: change.tree ?? before.tree,
    predecessor: { state, sameClient },
  });
}

const wrong: readonly (readonly [name: string, usage: 'reinit' | 'branch', change: Change])[] = [
  ['by the PSK of another group', 'reinit', { psk: { groupId } }],
  ['by the PSK of another epoch', 'reinit', { psk: { epoch: 0n } }],
  ['in an epoch after the first', 'reinit', { context: { epoch: 2n } }],
  ['of a group that was not re-initialised', 'reinit', { status: { kind: 'active' } }],
  ['under another id than was agreed on', 'reinit', { context: { groupId: alice.entropy(16) } }],
  ['in another suite than was agreed on', 'reinit', { reinit: { suite: 3 } }],
  ['in another version than was agreed on', 'reinit', { reinit: { version: 2 } }],
  ['with an extension more', 'reinit', { context: { extensions: [more] } }],
  ['with an extension less', 'reinit', { reinit: { extensions: [more] } }],
  ['without a member', 'reinit', { tree: alone }],
  ['of another group', 'branch', { psk: { groupId } }],
  ['in an epoch after the first', 'branch', { context: { epoch: 2n } }],
  ['in another suite', 'branch', { context: { suite: 3 } }],
  ['with a stranger', 'branch', { tree: strange }],
];

test('a re-initialised group and a branch that are right are taken', () => {
  succeed('reinit');
  succeed('branch');
  succeed('branch', { tree: alone });
});

for (const [name, usage, change] of wrong)
  test(`a ${usage} ${name} is refused`, () => refuses(() => succeed(usage, change), 'invalid-proposal'));

test('a founder must have the right predecessor and suite', () => {
  const [, other = suite] = suites;
  const common = { ...judge, identity: alice.identity, capabilities: capabilities(), lifetime, entropy: alice.entropy };
  const input = { ...common, predecessor: { state: before, sameClient }, proposals: [] };
  refuses(() => foundReinitialised(suite, input), 'bad-argument');
  const reinit = { groupId, version: 1, suite: suite.id, extensions: [] };
  const ended = {
    ...input,
    predecessor: { sameClient, state: { ...before, status: { kind: 'reinitialised', reinit } } },
  } as const;
  refuses(() => foundReinitialised(other, ended), 'bad-argument');
  refuses(() => foundBranch(other, { ...input, groupId }), 'bad-argument');
});
