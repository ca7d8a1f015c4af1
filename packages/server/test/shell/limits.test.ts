/** Goal: how many may connect, how long a stranger may stay, how much one may ask: at each limit and one past it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import type { DeviceId, Limits } from '@securechat/wire';
import { parseBlock } from '../../src/core/addresses.ts';
import { BUFFERED_BYTES_MAX, isTooMuch, REQUEST_BYTES_WAITING_MAX, REQUESTS_WAITING_MAX } from '../../src/core/load.ts';
import { halveCredits } from '../../src/core/strain.ts';
import { Admission } from '../../src/shell/listeners/admission.ts';
import { Bans, BANS_MAX } from '../../src/shell/bans.ts';
import { Buckets } from '../../src/shell/buckets.ts';
import { Gate } from '../../src/shell/gate.ts';
import { FLOOD_PAUSE_MS_MAX, Inflow } from '../../src/shell/link/inflow.ts';
import { Rates } from '../../src/shell/rates.ts';
import { Workload } from '../../src/shell/workload.ts';
import { proofOfWork, systemEntropy } from '@securechat/crypto';
import { openWire, Outbox, TestClient } from '../client.ts';
import type { StandOptions, Stand } from '../stand.ts';
import { coded, makeStand, until } from '../stand.ts';

const small: Limits = {
  ...defaultLimits,
  connectionsMax: 6,
  connectionsPerAddressMax: 3,
  unauthenticatedMax: 4,
  unauthenticatedPerAddressMax: 2,
  connectsPerAddressPerSecond: 1,
  connectsPerAddressBurst: 100,
};

function admission(change: Partial<Limits> = {}, proxies: readonly string[] = []) {
  const clock = { ms: 0 };
  const all = new Admission({ ...small, ...change }, proxies.map(parseBlock), () => clock.ms);
  return { all, clock };
}

test('strangers of one address, and strangers together, are limited; a login makes room', () => {
  const { all } = admission();
  const first = all.admit('192.0.2.1');
  const second = all.admit('192.0.2.1');
  assert.ok(first && second);
  assert.equal(all.admit('192.0.2.1'), undefined);
  assert.ok(all.admit('192.0.2.2') && all.admit('192.0.2.3'));
  assert.equal(all.admit('192.0.2.4'), undefined);
  first.authenticated();
  first.authenticated();
  const third = all.admit('192.0.2.1');
  assert.ok(third);
  second.authenticated();
  // Three connections of one address: connectionsPerAddressMax.
  assert.equal(all.admit('192.0.2.1'), undefined);
  third.end();
  third.end();
  assert.ok(all.admit('192.0.2.1'));
});

test('connectionsMax holds for all together, and what ended is given back', () => {
  const { all } = admission({ unauthenticatedMax: 100 });
  const tickets = Array.from({ length: 6 }, (_, index) => all.admit(`192.0.2.${index}`));
  assert.ok(tickets.every((ticket) => ticket !== undefined));
  assert.equal(all.connections, 6);
  assert.equal(all.admit('192.0.2.99'), undefined);
  for (const ticket of tickets) ticket?.end();
  assert.equal(all.connections, 0);
  assert.ok(all.admit('192.0.2.99'));
});

test('new connections of one address have a burst and a rate; an IPv6 /64 is one address', () => {
  const { all, clock } = admission({ connectsPerAddressBurst: 2 });
  for (const end of ['1', '2']) all.admit(`2001:db8::${end}`)?.end();
  assert.equal(all.admit('2001:db8::3'), undefined);
  assert.ok(all.admit('2001:db8:0:1::3'));
  clock.ms = 1000;
  assert.ok(all.admit('2001:db8::3'));
});

test('a proxy has no limits of its own; the people behind it have theirs', () => {
  const { all } = admission({ unauthenticatedMax: 100, connectionsMax: 100 }, ['10.0.0.0/8']);
  const tickets = Array.from({ length: 5 }, () => all.admit('10.0.0.1'));
  assert.ok(tickets.every((ticket) => ticket !== undefined));
  assert.deepEqual(
    tickets.map((ticket) => ticket?.moveTo('198.51.100.7')),
    [true, true, false, false, false],
  );
  tickets[0]?.end();
  assert.equal(tickets[2]?.moveTo('198.51.100.7'), true);
  assert.equal(tickets[2]?.moveTo('198.51.100.8'), false);
});

test('buckets by key forget full ones, so that strangers cost no memory for long', () => {
  let nowMs = 0;
  const buckets = new Buckets({ burst: 1, perSecond: 1 }, () => nowMs);
  for (let key = 0; key < 3000; key += 1) assert.equal(buckets.spend(`${key}`).kind, 'spent');
  assert.ok(buckets.size >= 2000);
  nowMs = 5000;
  for (let key = 0; key < 2000; key += 1) buckets.spend('one');
  assert.ok(buckets.size <= 1024 + 1);
  assert.equal(buckets.spend('one').kind, 'refused');
});

test('handshakesQueuedMax handshakes wait, one more is turned away', async () => {
  const gate = new Gate({ atOnce: 1, queuedMax: defaultLimits.handshakesQueuedMax });
  const never = new Promise<true>(() => undefined);
  void gate.run(() => never);
  for (let count = 0; count < defaultLimits.handshakesQueuedMax; count += 1) void gate.run(() => never);
  assert.equal(gate.queued, defaultLimits.handshakesQueuedMax);
  assert.equal(await gate.run(() => never), undefined);
});

test('lookupsPerDay holds over the hours', () => {
  let hours = 0;
  const rates = new Rates(defaultLimits, () => hours * 3_600_000);
  const { lookupsPerDay } = defaultLimits;
  for (let count = 0; count < lookupsPerDay; count += 1) assert.equal(rates.lookupsDay.spend('anna').kind, 'spent');
  const refused = rates.lookupsDay.spend('anna');
  assert.ok(refused.kind === 'refused' && refused.retryAfterMs > 60_000);
  assert.equal(rates.lookupsDay.spend('bob').kind, 'spent');
  hours = 24;
  assert.equal(rates.lookupsDay.spend('anna').kind, 'spent');
});

test('a client within its credit is never held up; one step over it is', () => {
  const { submitsInFlightMax, submitBytesInFlightMax } = defaultLimits;
  const full = {
    requests: REQUESTS_WAITING_MAX,
    requestBytes: REQUEST_BYTES_WAITING_MAX,
    submits: submitsInFlightMax,
    submitBytes: submitBytesInFlightMax,
    bufferedBytes: BUFFERED_BYTES_MAX,
    flooding: false,
  };
  assert.equal(isTooMuch(full, defaultLimits), false);
  for (const name of ['requests', 'requestBytes', 'submits', 'submitBytes', 'bufferedBytes'] as const)
    assert.equal(isTooMuch({ ...full, [name]: full[name] + 1 }, defaultLimits), true, name);
  assert.equal(isTooMuch({ ...full, flooding: true }, defaultLimits), true);
});

test('a gate runs a few at a time, lets a bounded number wait, and turns the rest away', async () => {
  const gate = new Gate({ atOnce: 2, queuedMax: 3 });
  const release: (() => void)[] = [];
  const work = (name: number) => gate.run(() => new Promise<number>((resolve) => release.push(() => resolve(name))));
  const all = [0, 1, 2, 3, 4, 5].map(work);
  assert.equal(await all[5], undefined);
  assert.equal(release.length, 2);
  assert.equal(gate.queued, 3);
  for (let index = 0; index < 5; index += 1) {
    release[index]?.();
    await all[index];
    await Promise.resolve();
  }
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4, undefined]);
  await assert.rejects(
    gate.run(() => Promise.reject(new Error('x'))),
    /x/,
  );
  assert.equal(await gate.run(() => Promise.resolve(7)), 7);
});

test('work is accepted once, for its own challenge, with enough of it', async () => {
  const work = new Workload(systemEntropy, 1000);
  const terms = { purpose: 'registration', bits: 8, nowMs: 0 } as const;
  const challenge = work.challenge(terms);
  const nonce = await proofOfWork.solve(challenge, 8);
  const mine = { challenge, nonce, purpose: 'registration', nowMs: 500 } as const;
  const use = (change: object = {}) => work.use({ ...mine, ...change });
  assert.equal(use({ nonce: new Uint8Array(7) }), false);
  assert.equal(use({ challenge: work.challenge({ ...terms, bits: 60 }) }), false);
  assert.equal(use({ purpose: 'login' }), false);
  assert.equal(use({ nowMs: 1001 }), false);
  assert.equal(new Workload(systemEntropy, 1000).use(mine), false);
  assert.equal(use(), true);
  assert.equal(use(), false);
});

async function withStand(options: StandOptions, run: (stand: Stand) => Promise<void>): Promise<void> {
  const stand = await makeStand(options);
  try {
    await run(stand);
  } finally {
    await stand.stop();
  }
}

test('a stranger who says nothing is closed after authDeadlineMs; an attached device stays', async () => {
  await withStand({}, async (stand) => {
    // To register takes a busy machine longer than the deadline.
    const anna = await stand.register('anna');
    await stand.restart({ limits: { ...stand.config.limits, authDeadlineMs: 2000 } });
    let attached: TestClient | undefined;
    // An attach takes one, too, when something else has the processor.
    for (let tries = 1; attached === undefined; tries += 1)
      attached = await stand.attach(anna).catch((error: unknown) => {
        if (tries === 10) throw error;
        return undefined;
      });
    const startMs = performance.now();
    const idle = await openWire(stand.url('tcp'));
    await idle.closed;
    const elapsedMs = performance.now() - startMs;
    assert.ok(elapsedMs >= 1990, `${elapsedMs}`);
    attached.send('ping', new Uint8Array(0));
    assert.ok(await attached.pings.next());
    attached.close();
  });
});

test('over real sockets: the connection past the limit of its address is cut, both listeners count together', async () => {
  await withStand({ limits: { unauthenticatedPerAddressMax: 3 } }, async (stand) => {
    const clients = [await stand.connect('tcp'), await stand.connect('ws'), await stand.connect('tcp')];
    await assert.rejects(TestClient.connect(stand.url('tcp')), coded('HANDSHAKE_FAILED'));
    await assert.rejects(TestClient.connect(stand.url('ws')));
    clients[0]?.close();
    assert.equal(
      await until(async () => {
        try {
          (await stand.connect('ws')).close();
          return true;
        } catch {
          return false;
        }
      }),
      true,
    );
    for (const client of clients) client.close();
  });
});

test('a device may ask framesBurst times at once; the next request is RATE_LIMITED with the time to wait', async () => {
  await withStand({ limits: { framesBurst: 10, framesPerSecond: 0.01 } }, async (stand) => {
    const client = await stand.attach(await stand.register('anna'));
    // The attach took two of them.
    for (let count = 2; count < 10; count += 1) await client.ask('listBlocks', {}, 'blocks');
    await assert.rejects(client.request('listBlocks', {}), (error) => {
      assert.ok(error instanceof SecureChatError && error.code === 'RATE_LIMITED');
      assert.ok((error.detail.retryAfterMs ?? 0) > 0 && (error.detail.retryAfterMs ?? 0) <= 100_000);
      return true;
    });
    client.close();
  });
});

/** As many turns as bytes take from one end of a socket to the other inside of this process, and many more. */
async function arrival(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('pings go both ways, and a device that is silent for deadMs is let go', async () => {
  let laterMs = 0;
  const clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() + laterMs };
  await withStand({ surroundings: { clock } }, async (stand) => {
    const client = await stand.attach(await stand.register('anna'));
    client.send('ping', Uint8Array.of(1, 2, 3));
    assert.deepEqual((await client.pings.next())?.body, Uint8Array.of(1, 2, 3));
    laterMs = defaultLimits.pingMs + 6000;
    const ping = await client.pings.next();
    assert.equal(ping?.kind, 'ping');
    // The answer counts as a sign of life, once it has arrived.
    await arrival();
    laterMs += defaultLimits.deadMs - 5000;
    assert.equal((await client.pings.next())?.kind, 'ping');
    await arrival();
    laterMs += defaultLimits.deadMs + 5000;
    await client.wire.closed;
  });
});

test('after protocolErrorsMax a device is closed, and not attached again for protocolBanMs; others are', async () => {
  let laterMs = 0;
  const clock = { wallMs: () => Date.now(), monotonicMs: () => laterMs };
  await withStand({ surroundings: { clock } }, async (stand) => {
    const [anna, bob] = [await stand.register('anna'), await stand.register('bob')];
    const client = await stand.attach(anna);
    const { protocolErrorsMax, protocolBanMs } = defaultLimits;
    for (let count = 0; count < protocolErrorsMax; count += 1) client.send('submit', new Uint8Array(3));
    client.send('ping', new Uint8Array(4));
    assert.ok(await client.pings.next());
    client.send('submit', new Uint8Array(3));
    await client.wire.closed;

    for (const aheadMs of [0, protocolBanMs - 1]) {
      laterMs = aheadMs;
      await assert.rejects(stand.attach(anna), (error) => {
        assert.ok(error instanceof SecureChatError && error.code === 'DEVICE_PAUSED', String(error));
        assert.equal(error.detail.retryAfterMs, protocolBanMs - aheadMs);
        return true;
      });
    }
    // Whoever cannot prove to be the device does not learn that it is paused.
    const thief = { ...bob, account: anna.account, device: { ...anna.device, signing: bob.device.signing } };
    await assert.rejects(stand.attach(thief), coded('NOT_AUTHENTICATED'));
    (await stand.attach(bob)).close();
    laterMs = protocolBanMs;
    (await stand.attach(anna)).close();
  });
});

test('idleFramesBurst frames that nothing comes of are let pass; one more closes the device, and it waits', async () => {
  const clock = { wallMs: () => Date.now(), monotonicMs: () => 0 };
  const idleFramesBurst = 20;
  await withStand({ limits: { idleFramesBurst }, surroundings: { clock } }, async (stand) => {
    const anna = await stand.register('anna');
    const idle: Readonly<Record<string, (client: TestClient) => void>> = {
      pong: (client) => client.send('pong', new Uint8Array(4)),
      'repeated acknowledgement': (client) => client.ack(0),
      'empty record': (client) => {
        for (const record of client.session.seal(new Uint8Array(0), 0)) client.wire.send(record);
      },
    };
    for (const [what, send] of Object.entries(idle)) {
      await stand.restart();
      const client = await stand.attach(anna);
      for (let count = 0; count < idleFramesBurst; count += 1) send(client);
      client.send('ping', new Uint8Array(4));
      assert.ok(await client.pings.next(), what);
      send(client);
      await client.wire.closed;
      await assert.rejects(stand.attach(anna), coded('DEVICE_PAUSED'), what);
    }
  });
});

test('acknowledgements of something new are no idle frames, however many', async () => {
  const idleFramesBurst = 5;
  await withStand({ limits: { idleFramesBurst, idleFramesPerSecond: 0 } }, async (stand) => {
    const [anna, bob] = [await stand.register('anna'), await stand.register('bob')];
    const [a, b] = [await stand.attach(anna), await stand.attach(bob)];
    const outbox = new Outbox();
    const founding = outbox.found(anna, bob);
    a.submit(founding);
    for (let count = 0; count < 3 * idleFramesBurst; count += 1)
      a.submit(outbox.message(founding.group, new Uint8Array(9)));
    for (let count = 0; count < 3 * idleFramesBurst; count += 1) {
      const row = await b.delivered.next();
      assert.ok(row);
      b.ack(row.seq);
    }
    b.send('ping', new Uint8Array(4));
    assert.ok(await b.pings.next());
    for (const client of [a, b]) client.close();
  });
});

test('empty records before a login are counted as well', async () => {
  await withStand({ limits: { idleFramesBurst: 5, idleFramesPerSecond: 0 } }, async (stand) => {
    const client = await stand.connect();
    const send = (): void => {
      for (const record of client.session.seal(new Uint8Array(0), performance.now())) client.wire.send(record);
    };
    for (let count = 0; count < 5; count += 1) send();
    await client.request('challenge', {});
    send();
    await client.wire.closed;
  });
});

test('bans are BANS_MAX at most, and those that are over are forgotten', () => {
  let nowMs = 0;
  const bans = new Bans(1000, () => nowMs);
  const device = (number: number) => `${number}` as DeviceId;
  for (let count = 0; count < BANS_MAX; count += 1) bans.add(device(count));
  assert.equal(bans.leftMs(device(0)), 1000);
  bans.add(device(BANS_MAX));
  assert.equal(bans.size, BANS_MAX);
  assert.equal(bans.leftMs(device(0)), undefined);
  assert.equal(bans.leftMs(device(BANS_MAX)), 1000);
  nowMs = 1000;
  assert.equal(bans.leftMs(device(1)), undefined);
  bans.add(device(1));
  assert.equal(bans.size, 1);
});

test('every request is paid for, one that nobody knows and one that is not allowed too', async () => {
  const stand = await makeStand({ limits: { framesBurst: 8, framesPerSecond: 0.001 } });
  try {
    const anna = await stand.register('anna');
    const client = await stand.attach(anna);
    const unknown = () => client.requestBytes(new Uint8Array(0));
    const early = () => client.request('challenge', {});
    // The attach itself took two.
    for (const ask of [unknown, early, unknown, early, unknown]) await assert.rejects(ask(), notLimited);
    await assert.rejects(unknown(), notLimited);
    await assert.rejects(unknown(), coded('RATE_LIMITED'));
    client.close();
  } finally {
    await stand.stop();
  }
});

const notLimited = (error: unknown): boolean =>
  error instanceof SecureChatError && ['NOT_SUPPORTED', 'NOT_ALLOWED'].includes(error.code);

test('who asks more than framesBurst before an attach is closed', async () => {
  const stand = await makeStand({ limits: { framesBurst: 8, framesPerSecond: 0.001 } });
  try {
    const client = await stand.connect();
    for (let count = 0; count < 8; count += 1) await client.request('challenge', {});
    await assert.rejects(client.request('challenge', {}), coded('CONNECTION_LOST'));
    await client.wire.closed;
  } finally {
    await stand.stop();
  }
});

test('a credit that is halved while it is used holds up the device, and lets it go on once it is whole again', () => {
  const reads: boolean[] = [];
  const transport = { bufferedAmount: 0, pause: () => reads.push(false), resume: () => reads.push(true) };
  let limits: Limits = defaultLimits;
  const inflow = new Inflow({
    transport: transport as unknown as ConstructorParameters<typeof Inflow>[0]['transport'],
    limits: () => limits,
    nowMs: () => 0,
    load: () => ({ requests: 0, requestBytes: 0, submits: defaultLimits.submitsInFlightMax, submitBytes: 0 }),
  });
  inflow.balance();
  limits = halveCredits(defaultLimits);
  inflow.balance();
  limits = defaultLimits;
  inflow.balance();
  assert.deepEqual(reads, [false, true]);
});

test('pauses for what was too much add up, to FLOOD_PAUSE_MS_MAX', () => {
  const clock = { ms: 0 };
  const reads: boolean[] = [];
  const transport = { bufferedAmount: 0, pause: () => reads.push(false), resume: () => reads.push(true) };
  const load = () => ({ requests: 0, requestBytes: 0, submits: 0, submitBytes: 0 });
  const inflow = new Inflow({
    transport: transport as unknown as ConstructorParameters<typeof Inflow>[0]['transport'],
    limits: () => defaultLimits,
    nowMs: () => clock.ms,
    load,
  });
  const isReading = (atMs: number): boolean => {
    clock.ms = atMs;
    inflow.balance();
    return reads.at(-1) ?? true;
  };
  for (let count = 0; count < 3; count += 1) inflow.flooded(100, () => undefined);
  assert.equal(isReading(299), false);
  assert.equal(isReading(300), true);
  for (let count = 0; count < 6000; count += 1) inflow.flooded(20, () => undefined);
  assert.equal(isReading(299 + FLOOD_PAUSE_MS_MAX), false);
  assert.equal(isReading(300 + FLOOD_PAUSE_MS_MAX), true);
});
