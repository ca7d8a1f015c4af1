/**
 * Random lives of groups in which every other member runs ts-mls 1.6.4. Of it one fault is known and excused by name: its
 * joiner refuses some valid trees (unmerged_leaves); that script then ends. Two others are kept out of the way: the codec
 * of one extension (`groupInfoFor`) and one secret (`emptiesLeftHalf`).
 */
import assert from 'node:assert/strict';
import { decodeMessage, encodeMessage } from '../src/framing/message.ts';
import { exportGroupInfo } from '../src/group/export.ts';
import { joinByExternalCommit } from '../src/group/external-commit.ts';
import type { Entropy } from '../src/crypto/provider.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { externalPair } from '../src/schedule/key-schedule.ts';
import { extensionTypes } from '../src/tree/extension.ts';
import { fullLeafCount } from '../src/tree/tree-math.ts';
import { validateTree } from '../src/tree/tree-validation.ts';
import { Client, capabilities, judge, longLifetime } from './client.ts';
import { seeded } from './entropy.ts';
import { KnownJoinerFault, OracleClient, oracleSuite } from './ts-mls-client.ts';

type Member = Client | OracleClient;

interface Sum {
  steps: number;
  /** Scripts ended by the known fault of its joiner. */
  excused: number;
  /** Removals that would have met the fault of the left half. */
  avoided: number;
}

/** As many scripts; an error names the seed. */
export async function runMixedGroups(
  suite: Suite,
  input: { readonly first: number; readonly scripts: number; readonly steps: number },
): Promise<Readonly<Sum>> {
  const sum: Sum = { steps: 0, excused: 0, avoided: 0 };
  for (let number = input.first; number < input.first + input.scripts; number++) {
    const seed = `differential ${suite.id} ${number}`;
    try {
      await script(suite, { entropy: seeded(seed), steps: input.steps, sum });
    } catch (cause) {
      if (!(cause instanceof KnownJoinerFault)) throw new Error(`seed "${seed}"`, { cause });
      sum.excused++;
    }
  }
  return sum;
}

async function script(
  suite: Suite,
  { entropy, steps, sum }: { readonly entropy: Entropy; readonly steps: number; readonly sum: Sum },
): Promise<void> {
  const oracle = await oracleSuite(suite.id);
  const below = (limit: number): number => (entropy(1)[0] ?? 0) % limit;
  let born = 0;
  const birth = (): Member => {
    const name = `client ${born++}`;
    return born % 2 === 0 ? new Client(name, suite, entropy) : new OracleClient(name, oracle, entropy);
  };
  const founder = below(2) === 0 ? new Client('founder', suite, entropy) : new OracleClient('founder', oracle, entropy);
  if (founder instanceof Client) founder.create({ lifetime: longLifetime });
  else await founder.create(entropy(16));
  let members: Member[] = [founder];
  for (let step = 0; step < steps; step++) {
    const committer = members[below(members.length)] ?? assert.fail();
    const others = members.filter((member) => member !== committer);
    const roll = below(10);
    if (roll === 0 && others.length > 1) {
      members = await resync(members, committer, entropy);
    } else {
      let leaving = roll > 6 && others.length > 1 ? others.slice(0, 1 + below(2)) : [];
      if (emptiesLeftHalf(members, leaving)) {
        leaving = [];
        sum.avoided++;
      }
      const coming = roll < 7 && members.length < 9 ? Array.from({ length: 1 + below(2) }, birth) : [];
      const packages = await Promise.all(coming.map(packageOf));
      const additions = packages.map(({ bytes }) => bytes);
      const removals = leaving.map(({ leaf }) => leaf);
      const publicly = below(2) === 0;
      const made = await commitOf(committer, { additions, removals, publicly });
      for (const member of others) if (!leaving.includes(member)) await member.follow(made.commit);
      for (const { join } of packages) await join(made.welcome ?? assert.fail());
      members = [...members.filter((member) => !leaving.includes(member)), ...coming];
    }
    for (const member of members)
      assert.equal(member.authenticator, members[0]?.authenticator, `${member.name}, step ${step}`);
    const sender = members[below(members.length)] ?? assert.fail();
    const message = await sender.send(`step ${step}`);
    for (const member of members)
      if (member !== sender) assert.equal(await member.read(message), `step ${step}`, member.name);
    for (const member of members) if (member instanceof Client) validateTree(member.state.tree);
    sum.steps++;
  }
}

/**
 * Where nobody is left in the left half of the tree, the root is not on the filtered direct path (RFC 9420 §4.1.2), and
 * the commit secret follows the last node that is (§12.4.1). ts-mls 1.6.4 derives once more for the root.
 */
function emptiesLeftHalf(members: readonly Member[], leaving: readonly Member[]): boolean {
  const stay = members.filter((member) => !leaving.includes(member)).map(({ leaf }) => leaf);
  const half = fullLeafCount(Math.max(...stay) + 1) / 2;
  return stay.every((leaf) => leaf >= half);
}

async function resync(members: Member[], lost: Member, entropy: Entropy): Promise<Member[]> {
  const able = members.filter(
    (member) => member !== lost && (lost instanceof OracleClient || member instanceof Client),
  );
  const [helper] = able;
  if (helper === undefined) return members;
  const info = helper instanceof OracleClient ? await helper.groupInfo() : groupInfoFor(lost, helper);
  let again = lost;
  let commit: Uint8Array;
  if (lost instanceof Client) {
    again = new Client(lost.name, lost.suite, entropy);
    const { identity } = again;
    const input = { ...judge, groupInfo: info, identity, capabilities: capabilities(), replaces: lost.leaf, entropy };
    const joined = joinByExternalCommit(lost.suite, input);
    again.state = joined.state;
    commit = joined.commit;
  } else {
    commit = await lost.joinExternally(info, true);
  }
  for (const member of members) if (member !== lost) await member.follow(commit);
  return members.map((member) => (member === lost ? again : member));
}

/**
 * ts-mls 1.6.4 has the key of `external_pub` without the length that RFC 9420 §12.4.3.2 gives it, reading and writing:
 * for it the extension is written its way, and its own GroupInfo is not given to ours.
 */
function groupInfoFor(joiner: Member, helper: Client): Uint8Array {
  const { identity, state } = helper;
  if (joiner instanceof Client) return exportGroupInfo(state, { identity, externalJoin: 'offered' });
  const { publicKey: data } = externalPair(state.suite, state.secrets);
  const extensions = [{ type: extensionTypes.externalPub, data }];
  return exportGroupInfo(state, { identity, externalJoin: 'not-offered', extensions });
}

async function packageOf(member: Member): Promise<{ bytes: Uint8Array; join: (welcome: Uint8Array) => Promise<void> }> {
  if (member instanceof Client) {
    const made = member.keyPackage({ lifetime: longLifetime });
    const bytes = encodeMessage({ kind: 'key-package', keyPackage: made.keyPackage });
    return { bytes, join: async (welcome) => void member.join(welcome, made) };
  }
  const made = await member.keyPackage();
  return { bytes: made.bytes, join: (welcome) => member.join(welcome, made) };
}

async function commitOf(
  member: Member,
  input: Parameters<OracleClient['commit']>[0],
): Promise<{ readonly commit: Uint8Array; readonly welcome: Uint8Array | undefined }> {
  if (member instanceof OracleClient) return member.commit(input);
  const additions = input.additions.map((bytes) => {
    const message = decodeMessage(bytes);
    assert.ok(message.kind === 'key-package');
    return { kind: 'add', keyPackage: message.keyPackage } as const;
  });
  const removals = input.removals.map((removed) => ({ kind: 'remove', removed }) as const);
  return member.commit({ proposals: [...additions, ...removals], format: input.publicly ? 'public' : 'private' });
}
