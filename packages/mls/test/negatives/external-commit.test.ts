/** What somebody outside may not do by an external commit: each is refused under the section it breaks. */
import assert from 'node:assert/strict';
import { EMPTY } from '../../src/codec/bytes.ts';
import { decodeMessage } from '../../src/framing/message.ts';
import { exportGroupInfo, exportTree } from '../../src/group/export.ts';
import { joinByExternalCommit } from '../../src/group/external-commit.ts';
import type { Policy } from '../../src/group/policy.ts';
import type { Proposal } from '../../src/group/proposal.ts';
import { sendExternalInit, externalPair } from '../../src/schedule/key-schedule.ts';
import { judge, Client, NOW, capabilities, groupOf, policy, suite1 as suite } from '../client.ts';
import { forge } from '../forge.ts';
import type { Cast } from './cast.ts';
import { refusal, add, remove, lax } from './cast.ts';

function externally(cast: Cast, replaces: number | undefined, strict: Policy = lax) {
  const { alice, dave } = cast;
  const groupInfo = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'offered' });
  const { identity, entropy } = dave;
  const input = { policy: strict, now: NOW, groupInfo, identity, capabilities: capabilities(), entropy };
  return joinByExternalCommit(suite, replaces === undefined ? input : { ...input, replaces });
}

/** A valid external commit, its proposals changed; signed again by the joiner. */
function externalWith(cast: Cast, change: (proposals: readonly Proposal[]) => readonly Proposal[], pathless = false) {
  const { commit, state } = externally(cast, undefined);
  const message = decodeMessage(commit);
  assert.ok(message.kind === 'public-message');
  const { body } = message.publicMessage.message.content;
  assert.ok(body.kind === 'commit');
  const proposals = body.commit.proposals.flatMap((item) => (item.kind === 'proposal' ? [item.proposal] : []));
  cast.dave.state = { ...state, context: cast.alice.state.context };
  const path = pathless ? undefined : body.commit.path;
  return forge(cast.dave, { proposals: change(proposals), path, sender: { kind: 'new-member-commit' } });
}

refusal('an external commit that removes another’s leaf is refused (§12.2)', 'refused-credential', (cast) =>
  cast.alice.receive(externally(cast, cast.carol.leaf).commit),
);
refusal('nor does an honest client make one (§12.2)', 'refused-credential', (cast) =>
  externally(cast, cast.carol.leaf, policy),
);
refusal('an external commit without ExternalInit is refused (§12.2)', 'invalid-proposal', (cast) =>
  cast.alice.receive(externalWith(cast, () => [])),
);
refusal('an external commit with two ExternalInit is refused (§12.2)', 'invalid-proposal', (cast) =>
  cast.alice.receive(externalWith(cast, (proposals) => [...proposals, ...proposals])),
);
refusal('an external commit with two removals is refused (§12.2)', 'invalid-proposal', (cast) =>
  cast.alice.receive(externalWith(cast, (proposals) => [...proposals, remove(1), remove(2)])),
);
refusal('an external commit with an addition is refused (§12.2)', 'invalid-proposal', (cast) => {
  const stranger = new Client('erin', suite, cast.alice.entropy).keyPackage().keyPackage;
  cast.alice.receive(externalWith(cast, (proposals) => [...proposals, add(stranger)]));
});
refusal('an external commit without a path is refused (§12.4.3.2)', 'missing-path', (cast) =>
  cast.alice.receive(externalWith(cast, (proposals) => proposals, true)),
);
refusal('an external commit with a reference is refused (§12.4.3.2)', 'invalid-proposal', (cast) => {
  const { commit, state } = externally(cast, undefined);
  const message = decodeMessage(commit);
  assert.ok(message.kind === 'public-message');
  const { body } = message.publicMessage.message.content;
  assert.ok(body.kind === 'commit');
  cast.dave.state = { ...state, context: cast.alice.state.context };
  const items = [...body.commit.proposals, { kind: 'reference', reference: EMPTY } as const];
  cast.alice.receive(forge(cast.dave, { items, path: body.commit.path, sender: { kind: 'new-member-commit' } }));
});
refusal('an external commit signed by another than its leaf is refused (§6.1)', 'bad-signature', (cast) => {
  const bytes = externalWith(cast, (proposals) => proposals);
  const message = decodeMessage(bytes);
  assert.ok(message.kind === 'public-message');
  const { body } = message.publicMessage.message.content;
  const sender = { kind: 'new-member-commit' } as const;
  cast.alice.receive(forge(cast.dave, { body, sender, signatureKey: cast.bob.identity.signatureKey }));
});
refusal('an external commit under a made-up init secret is refused (§12.4.2)', 'bad-confirmation-tag', (cast) => {
  const { publicKey } = externalPair(suite, cast.bob.state.secrets);
  const { output } = sendExternalInit(suite, { publicKey, entropy: cast.dave.entropy });
  cast.alice.receive(externalWith(cast, () => [{ kind: 'external-init', output }]));
});
refusal('a GroupInfo of another suite offers no way in (§12.4.3.2)', 'unsupported', ({ alice, dave }) => {
  const { identity, entropy } = dave;
  const { state } = alice;
  const groupInfo = exportGroupInfo(
    { ...state, context: { ...state.context, suite: 3 } },
    { identity: alice.identity, externalJoin: 'offered' },
  );
  joinByExternalCommit(suite, { ...judge, groupInfo, identity, capabilities: capabilities(), entropy });
});
refusal('a GroupInfo without external_pub offers no way in (§12.4.3.2)', 'malformed', ({ alice, dave }) => {
  const groupInfo = exportGroupInfo(alice.state, { identity: alice.identity, externalJoin: 'not-offered' });
  const { identity, entropy } = dave;
  joinByExternalCommit(suite, { ...judge, groupInfo, identity, capabilities: capabilities(), entropy });
});
refusal('a GroupInfo with the tree of another group is refused (§12.4.3.1)', 'invalid-tree', ({ alice, dave }) => {
  const [erin] = groupOf(['erin', 'frank'], dave.entropy);
  const info = { identity: alice.identity, tree: 'apart', externalJoin: 'offered' } as const;
  const groupInfo = exportGroupInfo(alice.state, info);
  const tree = exportTree((erin ?? assert.fail()).state);
  const { identity, entropy } = dave;
  joinByExternalCommit(suite, { ...judge, groupInfo, tree, identity, capabilities: capabilities(), entropy });
});
