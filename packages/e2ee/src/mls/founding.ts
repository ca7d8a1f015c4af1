/** How a group of the port begins: founded with all its members, or joined by a welcome. Both with an external PSK. */
import { equal, wipe } from '@securechat/crypto';
import type { LeafNode, PskId, PskStore } from '@securechat/mls';
import {
  createCommit,
  createGroup,
  forgetPastEpochs,
  joinGroup,
  mergePending,
  MlsError,
  wipeAll,
} from '@securechat/mls';
import { defaultLimits } from '@securechat/wire';
import type { ExternalPsk, Founded, Joined, MlsEngine, Refused } from '../engine.ts';
import { epochOf, hold } from './held-state.ts';
import { keyPackageSecrets, verified } from './key-packages.ts';
import {
  capabilities,
  CONTEXT_EXTENSION,
  contextOf,
  foundingPolicy,
  identityOf,
  leafOf,
  lifetimeOf,
  policyOf,
  rosterOf,
  secondsOf,
  validityOf,
} from './members.ts';
import { orRefused, refused } from './refusal.ts';
import { config, suite } from './suite.ts';

export const found: MlsEngine['found'] = (input) =>
  orRefused((): Founded => {
    const { own, psk, entropy, nowMs } = input;
    const identity = identityOf(own);
    const judge = { policy: foundingPolicy(input.check, nowMs), now: secondsOf(nowMs) };
    const members = input.keyPackages.map(verified);
    const alone = createGroup(suite, {
      ...judge,
      groupId: input.group,
      extensions: [{ type: CONTEXT_EXTENSION, data: input.context.slice() }],
      identity,
      capabilities,
      lifetime: lifetimeOf(input.validity),
      config,
      entropy,
    });
    const id: PskId = { kind: 'external', id: psk.id, nonce: entropy(suite.hashBytes) };
    const adds = members.map((member) => ({ kind: 'add', keyPackage: member }) as const);
    const made = createCommit(alone, {
      ...judge,
      identity,
      proposals: [...adds, { kind: 'psk', psk: id }],
      psks: storeOf(psk),
      entropy,
    });
    if (made.welcome === undefined) throw new MlsError('bad-argument', 'nobody to add');
    const merged = mergePending(made.state, made.pending);
    const { state, wipe: past } = forgetPastEpochs(merged.state);
    // Nobody else was ever in the epoch before.
    wipeAll([...made.wipe, ...merged.wipe, ...past]);
    return { kind: 'founded', state: hold(state), epoch: epochOf(state), welcome: made.welcome, wipe: [] };
  });

export const join: MlsEngine['join'] = (input) => {
  const { own, psk } = input;
  const secrets = keyPackageSecrets(input.secrets);
  try {
    return orRefused((): Joined | Refused => {
      const package_ = verified(input.keyPackage);
      const nowMs = joiningMs(package_.leaf, input.nowMs);
      if (!equal(package_.leaf.signatureKey, own.signingPublic)) return refused('no-key-package');
      const { state, signer, roster } = joinGroup(suite, {
        welcome: input.welcome,
        keyPackage: package_,
        secrets,
        psks: storeOf(psk),
        insistOn: (ids) => ids.some((id) => isFor(id, psk)),
        policy: policyOf(input.check, nowMs),
        now: secondsOf(nowMs),
        config,
      });
      const { groupId, extensions } = state.context;
      return {
        kind: 'joined',
        state: hold(state),
        epoch: epochOf(state),
        group: groupId.slice(),
        context: contextOf(extensions),
        roster: rosterOf(roster),
        signer: leafOf(signer),
        wipe: [input.secrets],
      };
    });
  } finally {
    wipe(secrets.initKey, secrets.encryptionKey);
  }
};

/** As long as a mailbox keeps an invitation. */
const WAITED_MS_MAX = defaultLimits.mailboxDays * 24 * 60 * 60 * 1000;

/**
 * An invitation was made while our key package lived, which its founder looked at (RFC 9420 §7.3), and may have waited in
 * the mailbox since: leaves are judged as of then.
 */
function joiningMs({ source }: LeafNode, nowMs: number): number {
  if (source.kind !== 'key-package') return nowMs;
  const { notAfterMs } = validityOf(source.lifetime);
  return nowMs > notAfterMs + WAITED_MS_MAX ? nowMs : Math.min(nowMs, notAfterMs);
}

function storeOf(psk: ExternalPsk): PskStore {
  return (id) => (isFor(id, psk) ? psk.secret : undefined);
}

function isFor(id: PskId, psk: ExternalPsk): boolean {
  return id.kind === 'external' && equal(id.id, psk.id);
}
