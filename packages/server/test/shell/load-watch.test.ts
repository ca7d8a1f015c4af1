/** Goal: a server whose machine does not keep up grants less and lets nobody in, says so once, and recovers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits } from '@securechat/wire';
import type { MachineReading } from '../../src/core/strain.ts';
import type { LogFacts } from '../../src/log.ts';
import { LoadWatch, thisMachine } from '../../src/shell/load-watch.ts';
import { TestClient } from '../client.ts';
import { coded, makeStand, until } from '../stand.ts';

const easy: MachineReading = { delayMs: 0, rssBytes: 1, memoryBytes: 1000 };
const late: MachineReading = { ...easy, delayMs: 10_000 };
const crowded: MachineReading = { ...easy, rssBytes: 1000 };

test('each change is one log line, and nothing is said in between', () => {
  const lines: string[] = [];
  const say = (event: string, facts: LogFacts = {}) => void lines.push(`${event} ${facts.ms ?? facts.mebibytes}`);
  const watch = new LoadWatch(defaultLimits, { debug: say, info: say, warn: say, error: say });
  for (const reading of [easy, late, late, easy, easy]) watch.note(reading);
  for (const rssBytes of [900, 900, 1])
    watch.note({ ...easy, rssBytes: rssBytes * 2 ** 20, memoryBytes: 1000 * 2 ** 20 });
  assert.deepEqual(lines, [
    'event loop late: credits halved 10000',
    'event loop in time again 0',
    'memory short: no new connections 900',
    'memory enough again 1',
  ]);
});

test('the delay that is read is that of the event loop of this process', async () => {
  const machine = thisMachine();
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await turns(10);
  machine.read();
  for (let round = 0; round < 3; round += 1) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    await turns(2);
  }
  const blocked = machine.read();
  machine.close();
  assert.ok(blocked.delayMs > defaultLimits.eventLoopDelayMsMax, `${blocked.delayMs} ms`);
  assert.ok(blocked.rssBytes > 2 ** 20 && blocked.rssBytes < blocked.memoryBytes);
});

test('short of memory a server cuts new connections before their TLS and handshake; the attached go on', async () => {
  let reading = easy;
  const machine = { everyMs: 10, read: () => reading, close: () => undefined };
  const stand = await makeStand({ surroundings: { machine } });
  try {
    const anna = await stand.register('anna');
    const client = await stand.attach(anna);
    const refused = async (): Promise<boolean> => {
      try {
        (await stand.connect()).close();
        return false;
      } catch {
        return true;
      }
    };
    reading = crowded;
    assert.equal(await until(refused), true);
    await assert.rejects(TestClient.connect(stand.url('tcp')), coded('HANDSHAKE_FAILED'));
    await assert.rejects(TestClient.connect(stand.url('ws')));
    await client.ask('listBlocks', {}, 'blocks');
    reading = easy;
    assert.equal(await until(async () => !(await refused())), true);
    client.close();
  } finally {
    await stand.stop();
  }
});

test('a late server grants half the credit to who attaches, and all of it once it is in time', async () => {
  let reading = late;
  const machine = { everyMs: 10, read: () => reading, close: () => undefined };
  const stand = await makeStand({ surroundings: { machine } });
  try {
    const anna = await stand.register('anna');
    const granted = async (): Promise<number> => {
      const client = await stand.connect();
      const { creditRows, creditBytes } = await client.attach(anna);
      client.close();
      assert.equal(creditBytes, creditRows * (defaultLimits.submitBytesInFlightMax / defaultLimits.submitsInFlightMax));
      return creditRows;
    };
    assert.equal(await until(async () => (await granted()) === defaultLimits.submitsInFlightMax / 2), true);
    reading = easy;
    assert.equal(await until(async () => (await granted()) === defaultLimits.submitsInFlightMax), true);
  } finally {
    await stand.stop();
  }
});
