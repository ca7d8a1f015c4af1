/** Which connections say something about the server's key that a person has to see. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerRotation } from '@securechat/crypto';
import type { Fingerprint } from '@securechat/wire';
import { isNews } from '../src/shell/link/server-pin.ts';

const fingerprint = `sha256:${'A'.repeat(43)}` as Fingerprint;
const pin = { fingerprint, sealingSequenceMin: 1, versionMin: 1, opaqueKey: undefined };

test('a first key and a rotated one are said, the pinned one is not', () => {
  const rotation = {} as ServerRotation;
  assert.equal(isNews({ pin, firstContact: true, rotations: [] }), true);
  assert.equal(isNews({ pin, firstContact: false, rotations: [rotation] }), true);
  assert.equal(isNews({ pin, firstContact: false, rotations: [] }), false);
});
