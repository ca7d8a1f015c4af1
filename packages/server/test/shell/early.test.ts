/** Goal: before its attach a connection has little waiting: at EARLY_BYTES_MAX and one byte past it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemEntropy } from '@securechat/crypto';
import { defaultLimits } from '@securechat/wire';
import { Gate } from '../../src/shell/gate.ts';
import { EARLY_BYTES_MAX, Early } from '../../src/shell/link/early.ts';
import type { EarlyOptions } from '../../src/shell/link/early.ts';
import { rsa } from '../people.ts';

/** A connection whose first frame is being worked off for as long as the test takes. */
function busy() {
  const handshakes = new Gate({ atOnce: 1, queuedMax: 8 });
  void handshakes.run(() => new Promise(() => undefined));
  const server = {
    keys: { identity: rsa.identity, sealing: { certificate: 'certificate' } },
    entropy: systemEntropy,
    handshakes,
    config: { limits: defaultLimits },
  };
  const refused: number[] = [];
  const early = new Early({
    server,
    transport: { kind: 'tcp', send: () => undefined },
    stage: () => 'open',
    refuse: (atMs: number) => void refused.push(atMs),
  } as unknown as EarlyOptions);
  return { early, refused };
}

function flight(bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  frame[0] = 0x02;
  return frame;
}

test('EARLY_BYTES_MAX may wait before an attach, what is worked off included; one byte more is refused', () => {
  const { frameBytesBeforeAuthMax } = defaultLimits;
  const { early, refused } = busy();
  const frames = EARLY_BYTES_MAX / frameBytesBeforeAuthMax;
  for (let count = 0; count < frames; count += 1) early.push(flight(frameBytesBeforeAuthMax), count);
  assert.deepEqual(refused, []);
  early.push(flight(1), frames);
  assert.deepEqual(refused, [frames]);
});
