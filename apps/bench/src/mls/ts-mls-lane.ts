/** ts-mls 1.6.4 with the primitives of Node. */
import type { ClientState, KeyPackage } from 'ts-mls';
import {
  createApplicationMessage,
  createCommit,
  createGroup,
  decodeMlsMessage,
  emptyPskIndex,
  encodeGroupState,
  encodeMlsMessage,
  generateKeyPackage,
  getCiphersuiteFromName,
  joinGroup,
  processPrivateMessage,
} from 'ts-mls';
import { systemEntropy } from '@securechat/crypto';
import type { Lane, Talk } from './lane.ts';
import { fillers } from './own-lane.ts';
import { nodeSuite } from './ts-mls-suite.ts';

const names = {
  1: 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519',
  0x53: 'MLS_256_XWING_AES256GCM_SHA512_Ed25519',
} as const;

const seconds = BigInt(Math.floor(Date.now() / 1000));
const lifetime = { notBefore: seconds - 3600n, notAfter: seconds + 86_400n };

function suiteFor(id: number) {
  const name = names[id as keyof typeof names];
  return { name, suite: nodeSuite(getCiphersuiteFromName(name), systemEntropy) };
}

function member(id: number, name: string) {
  const { name: suiteName, suite } = suiteFor(id);
  const credential = { credentialType: 'basic' as const, identity: new TextEncoder().encode(name) };
  const capabilities = {
    versions: ['mls10' as const],
    ciphersuites: [suiteName],
    extensions: [],
    proposals: [],
    credentials: ['basic' as const],
  };
  return generateKeyPackage(credential, capabilities, lifetime, [], suite);
}

export const tsMlsLane: Lane = {
  name: 'ts-mls',
  async found(id, size) {
    const { suite } = suiteFor(id);
    const [alice, bob] = [await member(id, 'alice'), await member(id, 'member 0')];
    const alone = await createGroup(systemEntropy(16), alice.publicPackage, alice.privatePackage, [], suite);
    const added = [bob.publicPackage, ...fillers(id, size - 2).map(packageIn)];
    const extraProposals = added.map((keyPackage) => ({ proposalType: 'add' as const, add: { keyPackage } }));
    const state = { state: alone, cipherSuite: suite };
    const { newState, welcome } = await createCommit(state, { extraProposals, ratchetTreeExtension: true });
    if (welcome === undefined) throw new Error('nobody was added');
    return {
      join: async () =>
        talk(newState, await joinGroup(welcome, bob.publicPackage, bob.privatePackage, emptyPskIndex, suite), suite),
    };
  },
};

function packageIn(bytes: Uint8Array): KeyPackage {
  const message = decodeMlsMessage(bytes, 0)?.[0];
  if (message?.wireformat !== 'mls_key_package') throw new Error('no key package');
  return message.keyPackage;
}

/** States are encoded for each step as they would have to be, to be stored: that is not part of the time here. */
function talk(founder: ClientState, joiner: ClientState, suite: ReturnType<typeof nodeSuite>): Talk {
  let [alice, bob] = [founder, joiner];
  const process = async (bytes: Uint8Array): Promise<void> => {
    const message = decodeMlsMessage(bytes, 0)?.[0];
    if (message?.wireformat !== 'mls_private_message') throw new Error('no private message');
    bob = (await processPrivateMessage(bob, message.privateMessage, emptyPskIndex, suite)).newState;
  };
  return {
    async encrypt(plaintext) {
      const { newState, privateMessage } = await createApplicationMessage(alice, plaintext, suite);
      alice = newState;
      return encodeMlsMessage({ version: 'mls10', wireformat: 'mls_private_message', privateMessage });
    },
    decrypt: process,
    async commit() {
      const made = await createCommit({ state: alice, cipherSuite: suite });
      alice = made.newState;
      return encodeMlsMessage(made.commit);
    },
    process,
    storedPerMessage: async () => encodeGroupState(bob).length,
  };
}
