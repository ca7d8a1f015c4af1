/** The same deeds as `client.ts`, done by ts-mls 1.6.4: an oracle that shares no line with this package. */
import assert from 'node:assert/strict';
import type { CiphersuiteImpl, ClientState, CryptoProvider, KeyPackage, PrivateKeyPackage, Proposal } from 'ts-mls';
import {
  acceptAll,
  createApplicationMessage,
  createCommit,
  createGroup,
  createGroupInfoWithExternalPubAndRatchetTree,
  decodeMlsMessage,
  defaultKeyPackageEqualityConfig,
  emptyPskIndex,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  getCiphersuiteFromName,
  getCiphersuiteImpl,
  joinGroup,
  joinGroupExternal,
  nobleCryptoProvider,
  processMessage,
} from 'ts-mls';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { utf8 } from '../src/codec/bytes.ts';
import { identityOf, longLifetime } from './client.ts';
import type { Entropy } from '../src/crypto/provider.ts';
import { toHex } from './vectors.ts';

const names = {
  0x0001: 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519',
  0x0003: 'MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519',
  0x0053: 'MLS_256_XWING_AES256GCM_SHA512_Ed25519',
} as const;

const provider: CryptoProvider = nobleCryptoProvider;

export async function oracleSuite(id: number): Promise<CiphersuiteImpl> {
  const name = names[id as keyof typeof names] ?? assert.fail();
  return getCiphersuiteImpl(getCiphersuiteFromName(name), provider);
}

export interface OraclePackage {
  readonly publicPackage: KeyPackage;
  readonly privatePackage: PrivateKeyPackage;
  readonly bytes: Uint8Array;
}

/** The fault of 1.6.4 in checking trees on joining, by a welcome or by its own commit: equality of `unmerged_leaves` instead of membership. */
export class KnownJoinerFault extends Error {}

export class OracleClient {
  readonly name: string;
  readonly suite: CiphersuiteImpl;
  readonly #signing: { signKey: Uint8Array; publicKey: Uint8Array };
  #state: ClientState | undefined;

  constructor(name: string, suite: CiphersuiteImpl, entropy: Entropy) {
    this.name = name;
    this.suite = suite;
    const { signatureKey: signKey } = identityOf(name, entropy);
    this.#signing = { signKey, publicKey: nodeProvider.ed25519.publicOf(signKey) };
  }

  get state(): ClientState {
    return this.#state ?? assert.fail(`${this.name} is in no group`);
  }

  get authenticator(): string {
    return toHex(this.state.keySchedule.epochAuthenticator);
  }

  get leaf(): number {
    return this.state.privatePath.leafIndex;
  }

  async keyPackage(): Promise<OraclePackage> {
    const made = await generateKeyPackageWithKey(
      { credentialType: 'basic', identity: utf8(this.name) },
      { versions: ['mls10'], ciphersuites: [this.suite.name], extensions: [], proposals: [], credentials: ['basic'] },
      longLifetime,
      [],
      this.#signing,
      this.suite,
    );
    const keyPackage = made.publicPackage;
    return { ...made, bytes: encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage }) };
  }

  async create(groupId: Uint8Array): Promise<this> {
    const { publicPackage, privatePackage } = await this.keyPackage();
    const config = clientConfig();
    this.#state = await createGroup(groupId, publicPackage, privatePackage, [], this.suite, config);
    return this;
  }

  async commit(input: {
    readonly additions: readonly Uint8Array[];
    readonly removals: readonly number[];
    readonly publicly: boolean;
  }): Promise<{ readonly commit: Uint8Array; readonly welcome: Uint8Array | undefined }> {
    const extraProposals = [
      ...input.additions.map((bytes): Proposal => {
        const message = decodeMlsMessage(bytes, 0)?.[0];
        assert.ok(message?.wireformat === 'mls_key_package');
        return { proposalType: 'add', add: { keyPackage: message.keyPackage } };
      }),
      ...input.removals.map((removed): Proposal => ({ proposalType: 'remove', remove: { removed } })),
    ];
    const made = await createCommit(
      { state: this.state, cipherSuite: this.suite },
      { extraProposals, ratchetTreeExtension: true, wireAsPublicMessage: input.publicly },
    );
    this.#state = made.newState;
    const { welcome } = made;
    return {
      commit: encodeMlsMessage(made.commit),
      welcome: welcome && encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome }),
    };
  }

  async join(welcome: Uint8Array, made: OraclePackage): Promise<void> {
    const message = decodeMlsMessage(welcome, 0)?.[0];
    assert.ok(message?.wireformat === 'mls_welcome');
    const { publicPackage, privatePackage } = made;
    const { suite } = this;
    const config = clientConfig();
    try {
      this.#state = await joinGroup(
        message.welcome,
        publicPackage,
        privatePackage,
        emptyPskIndex,
        suite,
        undefined,
        undefined,
        config,
      );
    } catch (cause) {
      throw named(cause);
    }
  }

  async follow(commit: Uint8Array): Promise<void> {
    const message = decodeMlsMessage(commit, 0)?.[0];
    assert.ok(message?.wireformat === 'mls_private_message' || message?.wireformat === 'mls_public_message');
    const result = await processMessage(message, this.state, emptyPskIndex, acceptAll, this.suite);
    assert.equal(result.kind, 'newState');
    this.#state = result.newState;
  }

  async send(text: string): Promise<Uint8Array> {
    const made = await createApplicationMessage(this.state, utf8(text), this.suite);
    this.#state = made.newState;
    const { privateMessage } = made;
    return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_private_message', privateMessage });
  }

  async read(bytes: Uint8Array): Promise<string> {
    const message = decodeMlsMessage(bytes, 0)?.[0];
    assert.ok(message?.wireformat === 'mls_private_message');
    const result = await processMessage(message, this.state, emptyPskIndex, acceptAll, this.suite);
    assert.ok(result.kind === 'applicationMessage');
    this.#state = result.newState;
    return new TextDecoder().decode(result.message);
  }

  async groupInfo(): Promise<Uint8Array> {
    const groupInfo = await createGroupInfoWithExternalPubAndRatchetTree(this.state, [], this.suite);
    return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_group_info', groupInfo });
  }

  async joinExternally(groupInfo: Uint8Array, resync: boolean): Promise<Uint8Array> {
    const message = decodeMlsMessage(groupInfo, 0)?.[0];
    assert.ok(message?.wireformat === 'mls_group_info');
    const { publicPackage, privatePackage } = await this.keyPackage();
    const config = clientConfig();
    const { groupInfo: info } = message;
    try {
      const made = await joinGroupExternal(info, publicPackage, privatePackage, resync, this.suite, undefined, config);
      this.#state = made.newState;
      const { publicMessage } = made;
      return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_public_message', publicMessage });
    } catch (cause) {
      throw named(cause);
    }
  }
}

function named(cause: unknown): unknown {
  const known = cause instanceof Error && /unmerged/i.test(cause.message);
  return known ? new KnownJoinerFault(cause.message, { cause }) : cause;
}

function clientConfig() {
  return {
    keyRetentionConfig: { retainKeysForGenerations: 64, retainKeysForEpochs: 4, maximumForwardRatchetSteps: 200 },
    lifetimeConfig: { maximumTotalLifetime: 10_000_000_000n, validateLifetimeOnReceive: false },
    keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
    paddingConfig: { kind: 'alwaysPad', paddingLength: 32 } as const,
    authService: { validateCredential: async () => true },
  };
}
