// Goal: what two scripts say to each other over both transports arrives whole, once and in order, although the server and
// one of the clients are killed in between. Method: kill -9, start again, go on from what the history says was taken.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeFolder, startRpc, startServer } from './processes.ts';
import type { Rpc, RunningServer } from './processes.ts';

const COUNT = 500;
/** So many are said before the last fault is over; the rest waits for it. */
const GATE = 400;
const TEXT_BYTES_MAX = 64 * 1024;
const IN_FLIGHT = 24;
const password = 'marbles in a tin box';

const folder = makeFolder('script');
const lifted = ['messagesPerSecond=100000', 'messagesBurst=100000', 'framesPerSecond=100000', 'framesBurst=100000'];
const flags = lifted.flatMap((limit) => ['--limit', limit]);
let server: RunningServer;
before(async () => {
  server = await startServer(folder, flags);
});
after(() => folder.remove());

/** Any scalar values, controls and unassigned ones included, in at most this many bytes of UTF-8. */
function randomText(bytesMax: number): string {
  let text = '';
  let bytes = 0;
  const random = randomBytes(bytesMax * 4 + 4);
  for (let at = 0; bytes < bytesMax; at += 4) {
    const kind = (random[at] ?? 0) & 3;
    const value = random.readUIntBE(at + 1, 3);
    const planes = [0x80, 0x800, 0x10000, 0x110000][kind] ?? 0x80;
    const point = value % planes;
    if (point >= 0xd800 && point < 0xe000) continue;
    const character = String.fromCodePoint(point);
    const width = Buffer.byteLength(character);
    if (bytes + width > bytesMax) break;
    text += character;
    bytes += width;
  }
  return text;
}

/** Many short ones, some at the steps of the padding, some as long as they may be. A number in front tells them apart. */
function textsOf(who: string): string[] {
  const edges = [1, 255, 256, 257, 1023, 4096, 32_768, TEXT_BYTES_MAX - 1, TEXT_BYTES_MAX];
  return Array.from({ length: COUNT }, (_, index) => {
    const prefix = `${who}${index} `;
    const size = edges[index - 20] ?? Math.floor(TEXT_BYTES_MAX * Math.random() ** 5);
    return `${prefix}${randomText(Math.max(0, size - prefix.length))}`;
  });
}

interface Party {
  readonly name: string;
  readonly peer: string;
  readonly texts: readonly string[];
  rpc: Rpc;
  /** How many `send` was called for. */
  said: number;
  /** Resolves when the process is another one. */
  changing: Promise<void>;
  /** Settles when the faults are over. */
  gate: Promise<void>;
}

/** Texts of a conversation, oldest first. */
async function historyOf({ rpc, peer }: Party, own: boolean): Promise<string[]> {
  const texts: string[] = [];
  let before: string | undefined;
  for (;;) {
    const page = (await rpc.call('history', { with: `@${peer}`, limit: 100, ...(before !== undefined && { before }) }))[
      'messages'
    ] as { readonly id: string; readonly text: string; readonly own: boolean }[];
    texts.unshift(...page.filter((message) => message.own === own).map(({ text }) => text));
    before = page[0]?.id;
    if (before === undefined) return texts;
  }
}

/** Says everything, in order; a process that is gone is replaced, and the history tells where to go on. */
async function sayAll(party: Party): Promise<void> {
  let next = 0;
  while (next < COUNT) {
    const { rpc } = party;
    const gone = once(rpc.child, 'close').then(() => 'gone' as const);
    const inFlight = new Set<Promise<unknown>>();
    let ended: 'gone' | undefined;
    while (next < COUNT && ended === undefined) {
      // Nobody is done before the faults are: queued messages are quickly said while the server is away.
      if (next >= GATE) ended = (await Promise.race([gone, party.gate])) === 'gone' ? 'gone' : undefined;
      if (ended !== undefined) break;
      const call = rpc.call('send', { to: `@${party.peer}`, text: party.texts[next] ?? '' });
      next += 1;
      party.said = next;
      inFlight.add(call);
      void call.finally(() => inFlight.delete(call)).catch(() => undefined);
      if (inFlight.size >= IN_FLIGHT) ended = (await Promise.race([gone, ...inFlight])) === 'gone' ? 'gone' : undefined;
    }
    const all = Promise.all(inFlight).then(() => 'answered' as const);
    if ((await Promise.race([gone, all])) === 'answered') continue;
    await party.changing;
    next = (await historyOf(party, true)).length;
  }
}

const started: Party[] = [];
const faultsOver = Promise.withResolvers<void>();

test('an empty text and one that is no Unicode are refused by their codes', async () => {
  for (const [name, peer, address] of [
    ['alice', 'bob', server.ws],
    ['bob', 'alice', server.tcp],
  ] as const) {
    const rpc = startRpc(folder, address, { home: name });
    await rpc.call('register', { username: name, password, invite: server.invite });
    started.push({
      name,
      peer,
      texts: textsOf(name),
      rpc,
      said: 0,
      changing: Promise.resolve(),
      gate: faultsOver.promise,
    });
  }
  const [alice] = started;
  await assert.rejects(alice?.rpc.call('send', { to: '@bob', text: '' }) ?? Promise.resolve(), /^Error: USAGE$/);
  await assert.rejects(alice?.rpc.call('send', { to: '@bob', text: '\ud800' }) ?? Promise.resolve(), /^Error: USAGE$/);
});

test(`${COUNT} messages each way, a killed server and a killed client: each arrives once, whole, in order`, async () => {
  const [alice, bob] = started as [Party, Party];
  const talking = Promise.all([sayAll(alice), sayAll(bob)]);
  talking.catch(() => undefined);

  /** In the middle of it: when this much was said, and not all. */
  const midway = async (party: Party, from: number): Promise<void> => {
    while (party.said < from) await sleep(5);
    assert.ok(party.said < COUNT, 'it is over too soon');
  };
  await midway(alice, 100);
  const port = (address: string) => `127.0.0.1:${/:(\d+)#/.exec(address)?.[1]}`;
  server.child.kill('SIGKILL');
  await server.exit;
  server = await startServer(folder, [...flags, '--listen', port(server.ws), '--listen-tcp', port(server.tcp)]);

  await midway(bob, 300);
  const again = Promise.withResolvers<void>();
  bob.changing = again.promise;
  const old = bob.rpc;
  old.child.kill('SIGKILL');
  await old.exit;
  const rpc = startRpc(folder, server.ws, { home: 'bob' });
  await rpc.call('login', { username: 'bob', password });
  bob.rpc = rpc;
  again.resolve();
  faultsOver.resolve();

  await talking;
  for (const [from, to] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    assert.deepEqual(await historyOf(from, true), from.texts, `${from.name} said each once`);
    const deadline = performance.now() + 60_000;
    let heard = await historyOf(to, false);
    while (heard.length < COUNT && performance.now() < deadline) {
      await sleep(50);
      heard = await historyOf(to, false);
    }
    assert.equal(heard.length, COUNT);
    for (const [index, text] of from.texts.entries())
      assert.ok(heard[index] === text, `message ${index} of ${from.name}`);
  }
  for (const { rpc } of [alice, bob]) assert.doesNotMatch(rpc.printed.out, /"method":"gap"|"state":"failed"/);
  assert.equal((await alice.rpc.call('status'))['unsent'], 0);
});
