/** `@securechat/mls` with the primitives that conversations give it. */
import type { GroupState, KeyPackage, MadeKeyPackage, Policy, Suite } from '@securechat/mls';
import {
  appendTo,
  basicCredential,
  createCommit,
  createGroup,
  createKeyPackage,
  encodeMessage,
  encrypt,
  joinGroup,
  mergeCommit,
  mergePending,
  openJournal,
  receive,
  suiteOf,
} from '@securechat/mls';
import { nodeProvider } from '@securechat/mls/node';
import { sodiumEd25519, systemEntropy as entropy } from '@securechat/crypto';
import type { Founded, Lane, Talk } from './lane.ts';

const provider = { ...nodeProvider, ...(sodiumEd25519 !== undefined && { ed25519: sodiumEd25519 }) };
const now = BigInt(Math.floor(Date.now() / 1000));
const lifetime = { notBefore: now - 3600n, notAfter: now + 86_400n };
const policy: Policy = { lifetimeMax: 1_000_000n, credential: () => true, change: () => true };
const judge = { policy, now };

function identity(name: string) {
  return { credential: basicCredential(new TextEncoder().encode(name)), signatureKey: entropy(32) };
}

function packageOf(suite: Suite, name: string): MadeKeyPackage {
  const capabilities = { versions: [1], suites: [suite.id], extensions: [], proposals: [], credentials: [1] };
  return createKeyPackage(suite, { identity: identity(name), capabilities, lifetime, entropy });
}

/** Encoded, for whoever fills a group with members. */
export function fillers(suiteId: number, count: number): Uint8Array[] {
  const suite = suiteOf(provider, suiteId);
  return Array.from({ length: count }, (_, at) => {
    const { keyPackage } = packageOf(suite, `filler ${at}`);
    return encodeMessage({ kind: 'key-package', keyPackage });
  });
}

export const ownLane: Lane = {
  name: 'ours',
  async found(suiteId, size) {
    const suite = suiteOf(provider, suiteId);
    const me = identity('alice');
    const capabilities = { versions: [1], suites: [suiteId], extensions: [], proposals: [], credentials: [1] };
    const alone = createGroup(suite, { ...judge, groupId: entropy(16), identity: me, capabilities, lifetime, entropy });
    const made = Array.from({ length: size - 1 }, (_, at) => packageOf(suite, `member ${at}`));
    const proposals = made.map(({ keyPackage }: { keyPackage: KeyPackage }) => ({ kind: 'add', keyPackage }) as const);
    const commit = createCommit(alone, { ...judge, identity: me, proposals, entropy });
    const { state } = mergePending(commit.state, commit.pending);
    const [first] = made;
    const { welcome } = commit;
    if (first === undefined || welcome === undefined) throw new Error('nobody was added');
    return {
      join: async () => talk(state, joinGroup(suite, { ...judge, welcome, ...first }).state, me),
    } satisfies Founded;
  },
};

function talk(founder: GroupState, member: GroupState, me: ReturnType<typeof identity>): Talk {
  let [alice, bob] = [founder, member];
  const heard = (message: Uint8Array) => receive(bob, { ...judge, message, publicHandshakes: 'refuse-members' });
  return {
    async encrypt(plaintext) {
      const sent = encrypt(alice, { identity: me, plaintext, entropy });
      alice = sent.state;
      return sent.bytes;
    },
    async decrypt(message) {
      const read = heard(message);
      if (read.kind !== 'application') throw new Error(read.kind);
      bob = read.state;
    },
    async commit() {
      const made = createCommit(alice, { ...judge, identity: me, entropy });
      alice = mergePending(made.state, made.pending).state;
      return made.commit;
    },
    async process(commit) {
      const staged = heard(commit);
      if (staged.kind !== 'commit') throw new Error(staged.kind);
      bob = mergeCommit(bob, staged).state;
    },
    async storedPerMessage() {
      const before = bob;
      await this.decrypt(await this.encrypt(new Uint8Array(200)));
      return appendTo(openJournal(before).journal, { before, after: bob }).record.length;
    },
  };
}
