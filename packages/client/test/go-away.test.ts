/** Goal: a server that leaves says when to come back, and its clients keep to it: not all at one moment. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Code } from '@securechat/wire';
import { parseServerAddress, SecureChatError } from '@securechat/wire';
import { RETRY_AFTER_MS_MAX } from '../src/core/lane.ts';
import { updateConnection } from '../src/core/connection.ts';
import { openLink } from '../src/shell/link/link.ts';
import type { LinkEvents } from '../src/shell/link/link-port.ts';
import { on, until } from './doubles/play.ts';
import type { ServerKeys } from './link-server.ts';
import { newServerKeys, runServer } from './link-server.ts';

let keys: ServerKeys;
before(async () => {
  keys = await newServerKeys();
});

const silent = {
  onDeliver: () => undefined,
  onAccepted: () => undefined,
  onRefused: () => undefined,
  onEvent: () => undefined,
};

for (const [what, body, retryAfterMs] of [
  ['four bytes are the time', [0, 0, 0x17, 0x70], 6000],
  ['none are no time', [], 0],
  ['others are no time', [1, 2, 3, 4, 5], 0],
] as const)
  test(`GOAWAY ends a link with the time that it names: ${what}`, async (t) => {
    const server = await runServer(t, {
      keys,
      onRequest: (peer, _request, number) => {
        peer.send({ kind: 'goaway', request: 0, body: Uint8Array.from(body) });
        peer.respond(number, { $case: 'done', value: {} });
      },
    });
    const closed = Promise.withResolvers<readonly [Code, unknown]>();
    const events: LinkEvents = { ...silent, onClosed: (code, cause) => closed.resolve([code, cause]) };
    const pin = { fingerprint: undefined, sealingSequenceMin: 0, versionMin: 0, opaqueKey: undefined };
    const { link } = await openLink({ address: parseServerAddress(server.ws), pin, timeoutMs: 60_000 }, events);
    await link.request('listBlocks', {});
    const [code, cause] = await closed.promise;
    assert.ok(cause instanceof SecureChatError);
    assert.deepEqual([code, cause.detail], ['SHUTTING_DOWN', { retryAfterMs }]);
  });

test('a client comes back after the time that the server named, and not before', { timeout: 120_000 }, () =>
  on(async ({ alice, office }) => {
    const opened: number[] = [];
    const open = office.open.bind(office);
    let events: LinkEvents | undefined;
    office.open = (device, heard) => {
      if (device === alice.record.device) {
        events = heard;
        opened.push(performance.now());
      }
      return open(device, heard);
    };
    await alice.engine.stop();
    await alice.start();
    assert.equal(opened.length, 1);
    const leftMs = performance.now();
    events?.onClosed('SHUTTING_DOWN', new SecureChatError('SHUTTING_DOWN', { retryAfterMs: 1200 }));
    await until(
      () => opened.length === 2,
      () => 'another connection',
    );
    assert.ok((opened[1] ?? 0) - leftMs >= 1199);
  }),
);

test('however long a server asks for, it is ten minutes at most', () => {
  const online = { kind: 'online', sinceMs: 0, attempt: 0 } as const;
  const closed = { kind: 'closed', code: 'SHUTTING_DOWN', nowMs: 5, random: 0 } as const;
  for (const [asked, waited] of [
    [RETRY_AFTER_MS_MAX, RETRY_AFTER_MS_MAX],
    [2 ** 32 - 1, RETRY_AFTER_MS_MAX],
  ] as const) {
    const { connection } = updateConnection(online, { ...closed, retryAfterMs: asked });
    assert.equal(connection.kind === 'waiting' ? connection.untilMs - 5 : undefined, waited);
  }
});
