/** The MlsEngine on `@securechat/mls` and the primitives of Node. */
import type { MlsEngine } from '../engine.ts';
import { exportGroupInfo, facts } from './facts.ts';
import { found, join } from './founding.ts';
import { discard, pack, unpack } from './held-state.ts';
import { keyPackage, readKeyPackage, welcomedReferences } from './key-packages.ts';
import { SUITE } from './members.ts';
import { decrypt, encrypt } from './messages.ts';
import { mergeOwn, selfUpdate } from './own-commit.ts';

export const mlsEngine: MlsEngine = {
  suite: SUITE,
  keyPackage,
  readKeyPackage,
  welcomedReferences,
  found,
  join,
  encrypt,
  decrypt,
  selfUpdate,
  mergeOwn,
  facts,
  exportGroupInfo,
  pack,
  unpack,
  discard,
};
