import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Code, Limits } from '@securechat/wire';
import { codes, control, defaultLimits, idBytes } from '@securechat/wire';
import type { MailboxFacts, SubmitFacts, SubmitOutcome } from '../../src/core/submit-facts.ts';
import { DEDUPE_WINDOW } from '../../src/core/append.ts';
import { decideSubmit } from '../../src/core/mailbox.ts';
import type { Submission } from '../../src/stores/port.ts';
import { actorNamed, bytesNamed, commit, founding, idNamed, message } from '../stores/stage.ts';

const limits: Limits = { ...defaultLimits, mailboxRowsMax: 10, mailboxReservedRows: 4, mailboxBytesMax: 10_000 };
const group = idNamed<Submission['submit']['group']>('group');
const other = idNamed<Submission['submit']['group']>('other group');
const anna = { ...actorNamed('anna'), generation: 3 };
const bert = actorNamed('bert');

const mailbox = (over: Partial<MailboxFacts> = {}): MailboxFacts => ({
  device: bert.device,
  account: bert.account,
  next: 7,
  rows: 2,
  bytes: 600,
  attached: true,
  resyncWaits: false,
  ...over,
});

/** Facts under which everything is accepted. */
const facts = (over: Partial<SubmitFacts> = {}): SubmitFacts => ({
  hash: bytesNamed('hash'),
  sender: { account: anna.account, ended: false, generation: 3, submitNumberHighest: 0, forgottenBelow: 0 },
  known: undefined,
  refused: undefined,
  group: {
    epoch: 1,
    successor: undefined,
    members: [anna.device, bert.device],
    peers: [bert.account],
    devicesCurrent: true,
  },
  founding: undefined,
  mailboxes: [mailbox()],
  block: 'none',
  ...over,
});

const foundingFacts = (over: Partial<SubmitFacts> = {}): SubmitFacts =>
  facts({
    group: undefined,
    founding: {
      slot: undefined,
      own: { sequence: 1, devices: [anna.device] },
      peer: { sequence: 1, devices: [bert.device] },
    },
    ...over,
  });

const fresh = (): typeof anna => ({ ...anna, submitNumber: 0 });

function codeOfOutcome(outcome: SubmitOutcome): Code | 'accepted' | 'repeat' {
  return outcome.kind === 'refused' ? outcome.code : outcome.kind;
}

function accepted(outcome: SubmitOutcome): Extract<SubmitOutcome, { kind: 'accepted' }> {
  assert.equal(outcome.kind, 'accepted');
  if (outcome.kind !== 'accepted') throw new Error();
  return outcome;
}

test('unansweredPerDay: one below it is accepted, at it refused, and nothing where it does not count', () => {
  const { unansweredPerDay } = limits;
  const decide = (over: Partial<SubmitFacts>) => decideSubmit(message(fresh(), group), facts(over), limits);
  assert.equal(decide({ unansweredToday: unansweredPerDay - 1 }).kind, 'accepted');
  const refused = decide({ unansweredToday: unansweredPerDay });
  assert.ok(refused.kind === 'refused' && refused.code === 'UNANSWERED');
  assert.equal(decide({}).kind, 'accepted');
});

/** Every refusal of a message, in the order of docs/protocol/delivery.md: the fact that causes it. */
const refusals: readonly (readonly [Code | 'repeat', Partial<SubmitFacts>, Partial<Submission>?, Limits?])[] = [
  ['DEVICE_REVOKED', { sender: undefined }],
  ['SESSION_REPLACED', { sender: { ...facts().sender!, generation: 4 } }],
  ['ID_REUSED', { known: { hash: bytesNamed('another'), submitNumber: 1, devices: [], peers: [] } }],
  ['STATE_ROLLED_BACK', { sender: { ...facts().sender!, submitNumberHighest: 1 } }],
  ['TOO_LARGE', {}, {}, { ...limits, messageBytesMax: 299 }],
  ['RATE_LIMITED', {}, { refusal: { code: 'RATE_LIMITED', detail: { retryAfterMs: 100 } } }],
  ['NO_SUCH_GROUP', { group: undefined }],
  ['GROUP_SUPERSEDED', { group: { ...facts().group!, successor: { group: other, generation: 2, devices: [] } } }],
  ['NOT_A_MEMBER', { group: { ...facts().group!, members: [bert.device] } }],
  ['DEVICES_CHANGED', { group: { ...facts().group!, devicesCurrent: false } }],
  ['EPOCH_STALE', { group: { ...facts().group!, epoch: 2 } }],
  ['PREDECESSOR_REFUSED', { refused: { next: 0, last: 0 } }],
  ['BLOCKED', { block: 'blocked' }],
  ['RECIPIENT_OFFLINE', { mailboxes: [mailbox({ attached: false })] }, { onlineOnly: true }],
  ['MAILBOX_FULL', { mailboxes: [mailbox({ rows: 10 })] }],
];

test('a message is accepted where nothing speaks against it', () => {
  const outcome = accepted(decideSubmit(message(fresh(), group), facts(), limits));
  assert.deepEqual(outcome.devices, [{ device: bert.device, state: 'stored' }]);
  assert.deepEqual(outcome.rows, [{ device: bert.device, seq: 7, body: 0 }]);
  assert.deepEqual(outcome.peers, [bert.account]);
  assert.equal(outcome.wrote, true);
});

for (const [code, cause, over, own] of refusals)
  test(`${code} refuses a message by itself`, () => {
    const outcome = decideSubmit({ ...message(fresh(), group), ...over }, facts(cause), own ?? limits);
    assert.equal(codeOfOutcome(outcome), code);
  });

test('of two causes the one earlier in the document names the code, for every pair', () => {
  let pairs = 0;
  for (const [index, [code, cause, over, own]] of refusals.entries())
    for (const [, laterCause, laterOver, laterOwn] of refusals.slice(index + 1)) {
      // The later cause first, so that the earlier one wins where both set the same fact.
      const merged: SubmitFacts = { ...facts(laterCause), ...cause };
      if (cause.group !== undefined && laterCause.group !== undefined)
        Object.assign(merged, {
          group: {
            ...laterCause.group,
            ...(code === 'GROUP_SUPERSEDED' && { successor: cause.group.successor }),
            ...(code === 'NOT_A_MEMBER' && { members: cause.group.members }),
            ...(code === 'DEVICES_CHANGED' && { devicesCurrent: false }),
          },
        });
      // An unknown group behind a refused predecessor waits for it: the one exception, tested on its own.
      if (code === 'NO_SUCH_GROUP' && laterCause.refused !== undefined) continue;
      const submission = { ...message(fresh(), group), ...laterOver, ...over };
      assert.equal(codeOfOutcome(decideSubmit(submission, merged, own ?? laterOwn ?? limits)), code);
      pairs += 1;
    }
  assert.equal(pairs, (refusals.length * (refusals.length - 1)) / 2 - 1);
});

test('a known id with the same content is a repeat before anything but the fence', () => {
  const known = {
    hash: bytesNamed('hash'),
    submitNumber: 1,
    devices: [{ device: bert.device, state: 'stored' as const }],
    peers: [bert.account],
  };
  for (const [code, cause, over, own] of refusals) {
    const outcome = decideSubmit({ ...message(fresh(), group), ...over }, facts({ known, ...cause }), own ?? limits);
    const fenced = code === 'DEVICE_REVOKED' || code === 'SESSION_REPLACED' || code === 'ID_REUSED';
    assert.equal(codeOfOutcome(outcome), fenced ? code : 'repeat', code);
  }
});

test('a forgotten id is unknown, and its old submit number shows a rolled-back state', () => {
  const known = { hash: bytesNamed('hash'), submitNumber: 1, devices: [], peers: [] };
  const sender = { ...facts().sender!, submitNumberHighest: 5, forgottenBelow: 2 };
  assert.equal(
    codeOfOutcome(decideSubmit(message(fresh(), group), facts({ known, sender }), limits)),
    'STATE_ROLLED_BACK',
  );
});

test('fence: an ended device, and one of another account, are revoked; a newer generation replaces', () => {
  const sender = facts().sender!;
  const decide = (over: Partial<typeof sender>): string =>
    codeOfOutcome(decideSubmit(message(fresh(), group), facts({ sender: { ...sender, ...over } }), limits));
  assert.equal(decide({ ended: true }), 'DEVICE_REVOKED');
  assert.equal(decide({ account: bert.account }), 'DEVICE_REVOKED');
  assert.equal(decide({ generation: 4 }), 'SESSION_REPLACED');
});

test('refusals carry what the client needs to go on', () => {
  const stale = decideSubmit(message(fresh(), group), facts({ group: { ...facts().group!, epoch: 9 } }), limits);
  assert.deepEqual(stale.kind === 'refused' && stale.detail, { epoch: 9 });
  const successor = { group: other, generation: 2, devices: [bert.device] };
  const old = decideSubmit(message(fresh(), group), facts({ group: { ...facts().group!, successor } }), limits);
  assert.deepEqual(old.kind === 'refused' && old.detail, { group: idBytes(other), generation: 2 });
  const taken = decideSubmit(
    founding(fresh(), bert, group),
    foundingFacts({ founding: { ...foundingFacts().founding!, slot: successor } }),
    limits,
  );
  assert.equal(codeOfOutcome(taken), 'SLOT_TAKEN');
  assert.deepEqual(taken.kind === 'refused' && taken.detail, {
    group: idBytes(other),
    generation: 2,
    devices: [idBytes(bert.device)],
  });
});

test('founding: the slot is compared and set, before sequences and devices are looked at', () => {
  const place = foundingFacts().founding!;
  const slot = { group: other, generation: 4, devices: [bert.device] };
  const decide = (
    over: Parameters<typeof founding>[3],
    at: Partial<typeof place> = {},
    more: Partial<SubmitFacts> = {},
  ): string =>
    codeOfOutcome(
      decideSubmit(
        founding(fresh(), bert, group, over),
        foundingFacts({ founding: { ...place, ...at }, ...more }),
        limits,
      ),
    );
  assert.equal(decide({}), 'accepted');
  assert.equal(decide({ founding: { generation: 2 } }), 'SLOT_TAKEN');
  assert.equal(decide({}, { slot }), 'SLOT_TAKEN');
  assert.equal(decide({ founding: { generation: 4 } }, { slot }), 'SLOT_TAKEN');
  assert.equal(decide({ founding: { generation: 6 } }, { slot }), 'SLOT_TAKEN');
  assert.equal(decide({ founding: { generation: 5, predecessor: other } }, { slot }), 'accepted');
  assert.equal(decide({ founding: { generation: 5, predecessor: group } }, { slot }), 'SLOT_TAKEN');
  assert.equal(decide({ founding: { ownSequence: 2 } }), 'DEVICES_CHANGED');
  assert.equal(decide({ founding: { peerSequence: 2 } }), 'DEVICES_CHANGED');
  assert.equal(decide({ founding: { peerSequence: 2 } }, { slot }), 'SLOT_TAKEN');
  assert.equal(decide({ founding: { devices: [anna.device] } }), 'DEVICES_CHANGED');
  assert.equal(decide({ founding: { devices: [anna.device, bert.device, bert.device] } }), 'DEVICES_CHANGED');
  assert.equal(decide({ founding: { devices: [anna.device, idNamed('third')] } }), 'DEVICES_CHANGED');
  assert.equal(decide({}, { peer: undefined }), 'DEVICES_CHANGED');
  assert.equal(decide({ founding: { devices: [anna.device] } }, { peer: { sequence: 1, devices: [] } }), 'NO_KEYS');
  assert.equal(decide({ founding: { peer: anna.account } }), 'SELF');
  assert.equal(decide({}, {}, { group: facts().group }), 'ID_REUSED');
  assert.equal(decide({}, {}, { block: 'blocked' }), 'BLOCKED');
  assert.equal(decide({ founding: { invitation: new Uint8Array(limits.invitationBytesMax + 1) } }), 'TOO_LARGE');
  assert.equal(decide({ founding: { capsule: new Uint8Array(limits.capsuleBytesMax + 1) } }), 'TOO_LARGE');
  assert.equal(decide({ founding: { firstMessage: new Uint8Array(limits.messageBytesMax + 1) } }), 'TOO_LARGE');
  assert.equal(decide({ founding: { firstMessage: new Uint8Array(0) } }), 'MALFORMED');
});

test('a founding delivers the invitation and then the first message, to every other member device', () => {
  const first = founding(fresh(), bert, group, { founding: { firstMessage: bytesNamed('first') } });
  const outcome = accepted(decideSubmit(first, foundingFacts(), limits));
  assert.deepEqual(
    outcome.rows.map((row) => [row.seq, outcome.bodies[row.body]?.kind]),
    [
      [7, 'invitation'],
      [8, 'message'],
    ],
  );
  assert.equal(outcome.wrote, true);
  const bare = accepted(decideSubmit(founding(fresh(), bert, group), foundingFacts(), limits));
  assert.deepEqual([bare.rows.length, bare.wrote], [1, false]);
});

test('a commit raises the epoch by one, and only in the current epoch', () => {
  const outcome = accepted(decideSubmit(commit(fresh(), group), facts(), limits));
  assert.deepEqual([outcome.epoch, outcome.bodies[0]?.kind, outcome.wrote], [2, 'commit', false]);
  assert.equal(codeOfOutcome(decideSubmit(commit(fresh(), group, { epoch: 2 }), facts(), limits)), 'EPOCH_STALE');
  const { commit: _, ...bare } = commit(fresh(), group);
  assert.equal(codeOfOutcome(decideSubmit(bare, facts(), limits)), 'MALFORMED');
});

test('a mailbox takes messages up to its limit in rows and bytes, and not one past it', () => {
  const decide = (over: Partial<MailboxFacts>): string =>
    codeOfOutcome(decideSubmit(message(fresh(), group), facts({ mailboxes: [mailbox(over)] }), limits));
  assert.equal(decide({ rows: 9 }), 'accepted');
  assert.equal(decide({ rows: 10 }), 'MAILBOX_FULL');
  assert.equal(decide({ bytes: 10_000 - 300 }), 'accepted');
  assert.equal(decide({ bytes: 10_000 - 299 }), 'MAILBOX_FULL');
});

test('commits and invitations use the reserved space, up to its end', () => {
  const decide = (rows: number): string =>
    codeOfOutcome(decideSubmit(commit(fresh(), group), facts({ mailboxes: [mailbox({ rows })] }), limits));
  assert.equal(decide(10), 'accepted');
  assert.equal(decide(13), 'accepted');
  assert.equal(decide(14), 'MAILBOX_FULL');
  const found = (rows: number): string =>
    codeOfOutcome(
      decideSubmit(founding(fresh(), bert, group), foundingFacts({ mailboxes: [mailbox({ rows })] }), limits),
    );
  assert.equal(found(13), 'accepted');
  assert.equal(found(14), 'MAILBOX_FULL');
});

test('one full device of several gets one resync row that names the chain number, and the answer says so', () => {
  const second = idNamed<typeof bert.device>('bert.2');
  const decide = (over: Partial<MailboxFacts>) =>
    accepted(
      decideSubmit(
        message(fresh(), group, { chainNumber: 5 }),
        facts({ mailboxes: [mailbox(), mailbox({ device: second, next: 40, rows: 10, ...over })] }),
        limits,
      ),
    );
  const outcome = decide({});
  assert.deepEqual(outcome.devices, [
    { device: bert.device, state: 'stored' },
    { device: second, state: 'resync' },
  ]);
  assert.deepEqual(outcome.rows[1], { device: second, seq: 40, body: 1 });
  const body = outcome.bodies[1];
  assert.equal(body?.kind, 'resync');
  assert.deepEqual({ ...control.Missing.decode(body?.payload ?? bytesNamed('')) }, { from: 5, to: 0, count: 1 });
  assert.equal(decide({ resyncWaits: true }).rows.length, 1);
  assert.equal(decide({ rows: 14 }).rows.length, 1);
});

test('own other devices never make a submission fail: full or offline, they do not count', () => {
  const own = mailbox({ device: idNamed('anna.2'), account: anna.account, rows: 10, attached: true });
  const full = accepted(decideSubmit(message(fresh(), group), facts({ mailboxes: [own, mailbox()] }), limits));
  assert.deepEqual(
    full.devices.map((device) => device.state),
    ['resync', 'stored'],
  );
  const offline = decideSubmit(
    message(fresh(), group, { onlineOnly: true }),
    facts({ mailboxes: [own, mailbox({ attached: false })] }),
    limits,
  );
  assert.equal(codeOfOutcome(offline), 'RECIPIENT_OFFLINE');
});

test('quiet block: messages look accepted and are not stored; group state is, while there is plenty of room', () => {
  const decide = (submission: Submission, over: Partial<MailboxFacts> = {}) =>
    accepted(decideSubmit(submission, facts({ block: 'quiet', mailboxes: [mailbox(over)] }), limits));
  const quiet = decide(message(fresh(), group));
  const open = accepted(decideSubmit(message(fresh(), group), facts(), limits));
  assert.deepEqual([quiet.devices, quiet.peers, quiet.epoch], [open.devices, open.peers, open.epoch]);
  assert.deepEqual([quiet.rows.length, quiet.wrote], [0, false]);
  assert.equal(decide(message(fresh(), group), { rows: 10 }).devices[0]?.state, 'stored');
  assert.equal(decide(commit(fresh(), group), { rows: 3 }).rows.length, 1);
  assert.equal(decide(commit(fresh(), group), { rows: 4 }).rows.length, 0);
  const first = founding(fresh(), bert, group, { founding: { firstMessage: bytesNamed('first') } });
  const found = accepted(decideSubmit(first, foundingFacts({ block: 'quiet' }), limits));
  assert.deepEqual(
    found.rows.map((row) => found.bodies[row.body]?.kind),
    ['invitation'],
  );
});

test('quiet block: who is blocked sees the person offline', () => {
  const online = message(fresh(), group, { onlineOnly: true });
  assert.equal(codeOfOutcome(decideSubmit(online, facts({ block: 'quiet' }), limits)), 'RECIPIENT_OFFLINE');
});

test('messages behind a founding that was refused for now wait for it', () => {
  const behind = message(fresh(), group, { chainNumber: 2 });
  const waiting = facts({ group: undefined, refused: { next: 1, last: 1 } });
  assert.equal(codeOfOutcome(decideSubmit(behind, waiting, limits)), 'PREDECESSOR_REFUSED');
});

test('what is forgotten follows the device, never past the submission itself, and a window bounds the rest', () => {
  const forgotten = (submitNumber: number, lowestUnresolved: number): number =>
    accepted(decideSubmit(message(fresh(), group, { submitNumber, lowestUnresolved }), facts(), limits)).forgottenBelow;
  assert.equal(forgotten(10, 4), 4);
  assert.equal(forgotten(10, 10), 10);
  assert.equal(forgotten(10, 99), 10);
  assert.equal(forgotten(DEDUPE_WINDOW + 10, 1), 10);
});

test('any facts give one outcome of the table; a refusal stores nothing and an acceptance is gap-free', () => {
  const arbitraryMailbox = fc
    .record({
      index: fc.integer({ min: 0, max: 3 }),
      own: fc.boolean(),
      next: fc.integer({ min: 1, max: 1000 }),
      rows: fc.integer({ min: 0, max: 15 }),
      bytes: fc.integer({ min: 0, max: 12_000 }),
      attached: fc.boolean(),
      resyncWaits: fc.boolean(),
    })
    .map(({ index, own, ...rest }) =>
      mailbox({ device: idNamed(own ? 'own' : 'their', index), account: own ? anna.account : bert.account, ...rest }),
    );
  const arbitraryFacts = fc.record({
    mailboxes: fc.uniqueArray(arbitraryMailbox, { maxLength: 6, selector: (each) => each.device }),
    block: fc.constantFrom('none' as const, 'blocked' as const, 'quiet' as const),
    refused: fc.option(fc.record({ next: fc.integer({ min: 1, max: 4 }), last: fc.integer({ min: 1, max: 4 }) }), {
      nil: undefined,
    }),
  });
  fc.assert(
    fc.property(
      arbitraryFacts,
      fc.constantFrom('message', 'commit', 'found'),
      fc.integer({ min: 0, max: 5 }),
      fc.boolean(),
      (over, kind, chainNumber, onlineOnly) => {
        const sender = fresh();
        const submission =
          kind === 'message'
            ? message(sender, group, { chainNumber, onlineOnly })
            : kind === 'commit'
              ? commit(sender, group, { onlineOnly })
              : founding(sender, bert, group, { submit: { chainNumber, onlineOnly } });
        const known = kind === 'found' ? foundingFacts(over) : facts(over);
        const outcome = decideSubmit(submission, known, limits);
        if (outcome.kind === 'refused') return assert.ok(Object.hasOwn(codes, outcome.code));
        const done = accepted(outcome);
        assert.deepEqual(
          done.devices.map((each) => each.device),
          known.mailboxes.map((each) => each.device),
        );
        for (const each of known.mailboxes) {
          const seqs = done.rows.filter((row) => row.device === each.device).map((row) => row.seq);
          assert.deepEqual(
            seqs,
            seqs.map((_seq, at) => each.next + at),
          );
          assert.ok(each.rows + seqs.length <= Math.max(each.rows, limits.mailboxRowsMax + limits.mailboxReservedRows));
        }
        for (const row of done.rows) assert.ok(done.bodies[row.body] !== undefined);
      },
    ),
    { numRuns: 500 },
  );
});
