/** Goal: a device comes back once without RSA; whoever lacks the secret does not, and everybody can fall back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Hello, Resumption } from '@securechat/session';
import {
  acceptReply,
  acceptResume,
  acceptResumeReply,
  createFlight,
  createResumeFlight,
  issueResumption,
  readResumeHandle,
  refused,
  refuseResume,
} from '@securechat/session';
import { concatBytes } from '@securechat/wire';
import { atOnce } from './at-once.ts';
import { accept, copyOf, entropy, flipped, helloOf, nowMs, only, serverSide, utf8 } from './parties.ts';
import type { ServerSide } from './parties.ts';

const text = utf8('again');

async function start(): Promise<{ server: ServerSide; hello: Hello; resumption: Resumption }> {
  const server = await serverSide();
  return { server, hello: await helloOf(server.hello.bytes), resumption: issueResumption(entropy) };
}

function answer(server: ServerSide, flight: Uint8Array, secret: Uint8Array, transport: 'ws' | 'tcp' = 'ws') {
  return acceptResume({ hello: server.hello, flight, transport, secret, entropy, nowMs });
}

test('a handle and its secret bring the device back', async () => {
  const { server, hello, resumption } = await start();
  const { flight, pending } = createResumeFlight({ hello, transport: 'ws', resumption, entropy });
  assert.deepEqual(readResumeHandle(flight), resumption.handle);
  const accepted = answer(server, flight, resumption.secret);
  assert.ok(accepted.kind === 'established');
  const finished = acceptResumeReply({ pending, reply: accepted.reply, nowMs });
  assert.ok(finished.kind === 'established');
  assert.deepEqual([flight.length, accepted.reply.length], [1299, 1153]);
  assert.deepEqual(finished.session.transcript, accepted.session.transcript);
  assert.deepEqual(accepted.session.open(only(finished.session.seal(text, nowMs))), text);
  assert.deepEqual(finished.session.open(only(accepted.session.seal(text, nowMs))), text);
  assert.ok(pending.secret.every((byte) => byte === 0));
});

test('a wrong secret, another connection or another transport is refused', async () => {
  const { server, hello, resumption } = await start();
  const { flight } = createResumeFlight({ hello, transport: 'ws', resumption, entropy });
  assert.equal(answer(server, flight, issueResumption(entropy).secret), refused);
  assert.equal(answer(server, flight, resumption.secret.subarray(1)), refused);
  assert.equal(answer(await serverSide(), flight, resumption.secret), refused);
  assert.equal(answer(server, flight, resumption.secret, 'tcp'), refused);
});

test('one changed bit in any byte of the resume flight is refused', async () => {
  const { server, hello, resumption } = await start();
  const { flight } = createResumeFlight({ hello, transport: 'ws', resumption, entropy });
  for (let at = 0; at < flight.length; at += 1)
    assert.equal(answer(server, flipped(flight, at), resumption.secret), refused, `byte ${at}`);
  assert.equal(answer(server, flight.subarray(0, -1), resumption.secret), refused);
  assert.equal(answer(server, concatBytes(flight, Uint8Array.of(0)), resumption.secret), refused);
});

test('one changed bit in any byte of the resume reply is refused', async () => {
  const { server, hello, resumption } = await start();
  const { flight, pending } = createResumeFlight({ hello, transport: 'ws', resumption, entropy });
  const accepted = answer(server, flight, resumption.secret);
  assert.ok(accepted.kind === 'established');
  const send = (reply: Uint8Array): unknown => acceptResumeReply({ pending: copyOf(pending), reply, nowMs });
  for (let at = 0; at < accepted.reply.length; at += 1)
    assert.equal(send(flipped(accepted.reply, at)), refused, `byte ${at}`);
  assert.equal(send(accepted.reply.subarray(0, -1)), refused);
  assert.equal(send(concatBytes(accepted.reply, Uint8Array.of(0))), refused);
});

test('after a refusal an ordinary flight for the same hello goes through', async () => {
  const { server, hello, resumption } = await start();
  const { pending } = createResumeFlight({ hello, transport: 'ws', resumption, entropy });
  assert.deepEqual(acceptResumeReply({ pending, reply: refuseResume(), nowMs }), { kind: 'fallback' });
  assert.ok(pending.secret.every((byte) => byte === 0));
  const full = createFlight({ hello, transport: 'ws', entropy });
  const accepted = await accept(server, full.flight);
  assert.ok(accepted.kind === 'established');
  assert.equal(acceptReply({ pending: full.pending, reply: accepted.reply, nowMs }).kind, 'established');
});

test('a secret used twice gives other keys each time: the shares are fresh', async () => {
  const { server, hello, resumption } = await start();
  const sessions = [1, 2].map(() => {
    const { flight } = createResumeFlight({ hello, transport: 'ws', resumption, entropy });
    const accepted = answer(server, flight, resumption.secret);
    assert.ok(accepted.kind === 'established');
    return accepted.session;
  });
  assert.notDeepEqual(sessions[0]?.transcript, sessions[1]?.transcript);
});

test('handles and secrets are issued fresh', () => {
  const [a, b] = [issueResumption(entropy), issueResumption(entropy)];
  assert.deepEqual([a.handle.length, a.secret.length], [16, 32]);
  assert.notDeepEqual(a, b);
});

test('any bytes are no resume flight and no answer to one', async () => {
  const { server, hello, resumption } = await start();
  const { flight, pending } = createResumeFlight({ hello, transport: 'ws', resumption, entropy });
  const prefix = fc.constantFrom(flight.subarray(0, 100), Uint8Array.of(4), Uint8Array.of(5), Uint8Array.of(6));
  const sizes = fc.constantFrom(0, 1, 1152, 1198, 1199, 1298, 1299);
  await fc.assert(
    fc.asyncProperty(prefix, sizes, async (head, size) => {
      const bytes = concatBytes(head, entropy(size));
      await atOnce(50, () => {
        assert.equal(answer(server, bytes, resumption.secret), refused);
        const result = acceptResumeReply({ pending: copyOf(pending), reply: bytes, nowMs });
        assert.equal(result.kind, bytes.length === 1 && bytes[0] === 6 ? 'fallback' : 'refused');
      });
    }),
    { numRuns: 60 },
  );
});
