/** Goal: two honest sides agree, and every change on the way ends in one and the same refusal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mlKem768, openerOf, pssSign, sealTo, sha256, signServerRotation, signServerSealing } from '@securechat/crypto';
import {
  acceptFlight,
  acceptReply,
  createFlight,
  createHello,
  readHello,
  refusalWaitMs,
  refused,
  sessionTransport,
} from '@securechat/session';
import { concatBytes, limits } from '@securechat/wire';
import { atOnce } from './at-once.ts';
import {
  accept,
  copyOf,
  entropy,
  flipped,
  handshake,
  helloOf,
  keys,
  known,
  nowMs,
  only,
  serverSide,
  utf8,
} from './parties.ts';

test('both sides come to the same transcript and speak both ways', async () => {
  const { client, server } = await handshake();
  assert.deepEqual(client.transcript, server.transcript);
  assert.deepEqual(server.open(only(client.seal(utf8('up'), nowMs))), utf8('up'));
  assert.deepEqual(client.open(only(server.seal(utf8('down'), nowMs))), utf8('down'));
});

test('sizes at 2048 bits are those of the specification', async () => {
  const server = await serverSide();
  const { flight } = createFlight({ hello: await helloOf(server.hello.bytes), transport: 'ws', entropy });
  const accepted = await accept(server, flight);
  assert.equal(flight.length, 1 + 2 + 34 + 256 + 48 + 1346);
  assert.equal(accepted.kind === 'established' && accepted.reply.length, 1 + 32 + 1088 + 2 + 256 + 32);
  assert.ok(server.hello.bytes.length < 1400);
});

test('two handshakes share neither transcript nor keys', async () => {
  const server = await serverSide();
  const [a, b] = [await handshake(server), await handshake(server)];
  assert.notDeepEqual(a.client.transcript, b.client.transcript);
  assert.equal(b.server.open(only(a.client.seal(utf8('x'), nowMs))), undefined);
});

test('one changed bit in any byte of the hello ends the handshake', async () => {
  const server = await serverSide();
  let readable = 0;
  for (let at = 0; at < server.hello.bytes.length; at += 1) {
    const hello = await readHello({ bytes: flipped(server.hello.bytes, at), known, nowMs });
    if (hello.kind === 'refused') continue;
    // What the client can read (the nonce) the server refuses: the flight names the hello.
    readable += 1;
    const { flight } = createFlight({ hello, transport: 'ws', entropy });
    assert.equal(await accept(server, flight), refused, `byte ${at}`);
  }
  assert.equal(readable, 32);
  for (const bytes of [server.hello.bytes.subarray(0, -1), concatBytes(server.hello.bytes, Uint8Array.of(0))])
    assert.deepEqual(await readHello({ bytes, known, nowMs }), { kind: 'refused', code: 'HANDSHAKE_FAILED' });
});

test('one changed bit in any byte of the flight is refused before anything is signed', async () => {
  const server = await serverSide();
  const { flight } = createFlight({ hello: await helloOf(server.hello.bytes), transport: 'ws', entropy });
  const sign = (): Promise<Uint8Array> => assert.fail('signed');
  const { hello, openers } = server;
  const send = (bytes: Uint8Array): Promise<unknown> =>
    acceptFlight({ hello, flight: bytes, transport: 'ws', openers, sign, entropy, nowMs });
  for (let at = 0; at < flight.length; at += 1) assert.equal(await send(flipped(flight, at)), refused, `byte ${at}`);
  assert.equal(await send(flight.subarray(0, -1)), refused);
  assert.equal(await send(concatBytes(flight, Uint8Array.of(0))), refused);
});

test('one changed bit in any byte of the reply is refused', async () => {
  const server = await serverSide();
  const { flight, pending } = createFlight({ hello: await helloOf(server.hello.bytes), transport: 'ws', entropy });
  const accepted = await accept(server, flight);
  assert.ok(accepted.kind === 'established');
  const send = (reply: Uint8Array): unknown => acceptReply({ pending: copyOf(pending), reply, nowMs });
  for (let at = 0; at < accepted.reply.length; at += 1)
    assert.equal(send(flipped(accepted.reply, at)), refused, `byte ${at}`);
  assert.equal(send(accepted.reply.subarray(0, -1)), refused);
  assert.equal(send(concatBytes(accepted.reply, Uint8Array.of(0))), refused);
  assert.equal(acceptReply({ pending, reply: accepted.reply, nowMs }).kind, 'established');
});

test('a flight cannot be used again, on another connection or another server', async () => {
  const first = await serverSide();
  const { flight } = createFlight({ hello: await helloOf(first.hello.bytes), transport: 'ws', entropy });
  assert.equal((await accept(first, flight)).kind, 'established');
  assert.equal(await accept(await serverSide(), flight), refused);
  const { hello } = await serverSide({ identity: keys.otherIdentity });
  assert.equal(await accept({ ...first, hello }, flight), refused);
});

test('a reply belongs to its flight', async () => {
  const server = await serverSide();
  const hello = await helloOf(server.hello.bytes);
  const [mine, theirs] = [1, 2].map(() => createFlight({ hello, transport: 'ws', entropy }));
  assert.ok(mine && theirs);
  const accepted = await accept(server, theirs.flight);
  assert.ok(accepted.kind === 'established');
  assert.equal(acceptReply({ pending: mine.pending, reply: accepted.reply, nowMs }), refused);
});

test('the secrets of a flight are gone after the reply, good or bad', async () => {
  const server = await serverSide();
  const { flight, pending } = createFlight({ hello: await helloOf(server.hello.bytes), transport: 'ws', entropy });
  const accepted = await accept(server, flight);
  assert.ok(accepted.kind === 'established');
  const bad = copyOf(pending);
  acceptReply({ pending: bad, reply: new Uint8Array(3), nowMs });
  acceptReply({ pending, reply: accepted.reply, nowMs });
  for (const { dhPrivate, kemPrivate, secret } of [bad, pending])
    for (const part of [dhPrivate, kemPrivate, secret]) assert.ok(part.every((byte) => byte === 0));
});

test('the transport is part of the transcript, TLS around it is not', async () => {
  const server = await serverSide();
  const hello = await helloOf(server.hello.bytes);
  const { flight, pending } = createFlight({ hello, transport: sessionTransport('wss'), entropy });
  const asWs = await accept(server, flight, sessionTransport('ws'));
  const asTcp = await accept(server, flight, sessionTransport('tls'));
  assert.ok(asWs.kind === 'established' && asTcp.kind === 'established');
  assert.equal(acceptReply({ pending: copyOf(pending), reply: asTcp.reply, nowMs }), refused);
  assert.equal(acceptReply({ pending, reply: asWs.reply, nowMs }).kind, 'established');
});

test('a server with another key is refused before anything is sent to it', async () => {
  const server = await serverSide({ identity: keys.otherIdentity });
  const hello = await readHello({ bytes: server.hello.bytes, known, nowMs });
  assert.deepEqual(hello, { kind: 'refused', code: 'SERVER_KEY_CHANGED' });
});

test('who shows the hello of a server but lacks its identity key does not get past the reply', async () => {
  // The sealing key is stolen: the flight opens, the signature cannot be made.
  const server = await serverSide();
  const { flight, pending } = createFlight({ hello: await helloOf(server.hello.bytes), transport: 'ws', entropy });
  const accepted = await accept({ ...server, identity: keys.otherIdentity }, flight);
  assert.ok(accepted.kind === 'established');
  assert.equal(acceptReply({ pending, reply: accepted.reply, nowMs }), refused);
});

test('a sealing key of somebody else, an old one or an expired one is refused', async () => {
  const { identity, otherIdentity, sealing } = keys;
  const refuses = async (sealingJws: string, change: { nowMs?: number; sequenceMin?: number } = {}): Promise<void> => {
    const { bytes } = createHello({ identity: identity.public, sealingJws, nonce: entropy(32) });
    const knowing = { ...known, sealingSequenceMin: change.sequenceMin ?? 1 };
    const hello = await readHello({ bytes, known: knowing, nowMs: change.nowMs ?? nowMs });
    assert.deepEqual(hello, { kind: 'refused', code: 'CERTIFICATE_REJECTED' });
  };
  const claims = { sealing: sealing.public, sequence: 4, nowMs };
  await refuses(await signServerSealing(otherIdentity, claims));
  await refuses(await signServerSealing(identity, claims), { sequenceMin: 5 });
  await refuses(await signServerSealing(identity, claims), { nowMs: nowMs + 46 * 24 * 60 * 60 * 1000 });
  await refuses('no certificate');
});

test('the sealing key before the present one still opens while the server keeps it', async () => {
  const before = await serverSide();
  const { flight } = createFlight({ hello: await helloOf(before.hello.bytes), transport: 'ws', entropy });
  const openers = [openerOf(keys.otherSealing), openerOf(keys.sealing)];
  assert.equal((await accept({ ...before, openers }, flight)).kind, 'established');
  assert.equal(await accept({ ...before, openers: [openerOf(keys.otherSealing)] }, flight), refused);
});

test('versions and suites that are not ours, and servers below the remembered version, are refused', async () => {
  const unsupported = { kind: 'refused', code: 'UNSUPPORTED_VERSION' };
  for (const options of [{ versions: [2] }, { suites: [2, 3] }, { versions: [0] }]) {
    const { hello } = await serverSide(options);
    assert.deepEqual(await readHello({ bytes: hello.bytes, known, nowMs }), unsupported);
  }
  const { hello } = await serverSide();
  assert.deepEqual(await readHello({ bytes: hello.bytes, known: { ...known, versionMin: 2 }, nowMs }), unsupported);
});

test('a newer version struck out of the hello on the way is noticed by the server', async () => {
  const server = await serverSide({ versions: [2, 1], suites: [2, 1] });
  const offered = server.hello.bytes;
  assert.deepEqual([...offered.subarray(0, 7)], [1, 2, 2, 1, 2, 2, 1]);
  const struck = concatBytes(Uint8Array.of(1, 1, 1, 1, 1), offered.subarray(7));
  const { flight } = createFlight({ hello: await helloOf(struck), transport: 'ws', entropy });
  assert.equal(await accept(server, flight), refused);
  const honest = createFlight({ hello: await helloOf(offered), transport: 'ws', entropy });
  assert.equal((await accept(server, honest.flight)).kind, 'established');
});

test('a flight of another version, suite, server or purpose is refused although it is sealed well', async () => {
  const server = await serverSide();
  const hello = await helloOf(server.hello.bytes);
  const goodKemKey = mlKem768.generate(entropy).publicKey;
  const content = (change: { server?: Uint8Array; hello?: Uint8Array; choice?: number[] }): Uint8Array =>
    concatBytes(
      change.server ?? hello.identity.spkiHash,
      change.hello ?? hello.hash,
      Uint8Array.from(change.choice ?? [1, 1]),
      new Uint8Array(32).fill(9),
      goodKemKey,
      entropy(64),
    );
  const seal = (plaintext: Uint8Array, purpose: 'flight' | 'attach' = 'flight', context = hello.hash): Uint8Array =>
    concatBytes(Uint8Array.of(2), sealTo({ recipients: [hello.sealing], purpose, context, plaintext, entropy }));
  const good = content({});
  assert.equal((await accept(server, seal(good))).kind, 'established');
  const wrong = [
    seal(content({ server: keys.otherIdentity.public.spkiHash })),
    seal(content({ hello: sha256(utf8('another hello')) })),
    seal(content({ choice: [2, 1] })),
    seal(content({ choice: [1, 2] })),
    seal(good, 'attach'),
    seal(good, 'flight', sha256(utf8('another hello'))),
    seal(good.subarray(1)),
    seal(concatBytes(good, Uint8Array.of(0))),
    // An X25519 share of small order, and an ML-KEM key that is none.
    seal(concatBytes(good.subarray(0, 66), new Uint8Array(32), good.subarray(98))),
    seal(concatBytes(good.subarray(0, 98), new Uint8Array(1184).fill(0xff), good.subarray(98 + 1184))),
  ];
  for (const [index, bytes] of wrong.entries()) assert.equal(await accept(server, bytes), refused, `variant ${index}`);
});

test('a rotation of the server key leads from the pinned key to the new one, and only there', async () => {
  const { identity, otherIdentity, thirdIdentity } = keys;
  const one = await signServerRotation({ old: identity, new: otherIdentity, sequence: 1, dateMs: nowMs });
  const two = await signServerRotation({ old: otherIdentity, new: thirdIdentity, sequence: 2, dateMs: nowMs });
  const read = async (rotations: (typeof one)[], server = thirdIdentity, pinned = identity): Promise<unknown> => {
    const { hello } = await serverSide({ identity: server, rotations });
    const knowing = { ...known, fingerprint: pinned.public.fingerprint };
    const result = await readHello({ bytes: hello.bytes, known: knowing, nowMs });
    return result.kind === 'hello' ? result.rotations.map(({ sequence }) => sequence) : result.code;
  };
  assert.deepEqual(await read([one, two]), [1, 2]);
  assert.deepEqual(await read([one, two], thirdIdentity, otherIdentity), [2]);
  assert.deepEqual(await read([one, two], thirdIdentity, thirdIdentity), []);
  assert.equal(await read([one]), 'SERVER_KEY_CHANGED');
  assert.equal(await read([two]), 'SERVER_KEY_CHANGED');
  assert.equal(await read([two, one]), 'SERVER_KEY_CHANGED');
  const forged = { oldJws: one.oldJws, newJws: two.newJws };
  assert.equal(await read([forged, two]), 'SERVER_KEY_CHANGED');
  const back = await signServerRotation({ old: otherIdentity, new: thirdIdentity, sequence: 1, dateMs: nowMs });
  assert.equal(await read([one, back]), 'SERVER_KEY_CHANGED');
  await assert.rejects(serverSide({ rotations: [one, two, one, two] }), { code: 'INTERNAL' });
});

test('a hello of helloBytesMax is read, one byte more is not', async () => {
  const { identity, sealing } = keys;
  const sealingJws = await signServerSealing(identity, { sealing: sealing.public, sequence: 1, nowMs });
  const bytesWith = (filler: number): Uint8Array => {
    const rotations = [{ oldJws: 'x'.repeat(filler), newJws: '' }];
    return createHello({ identity: identity.public, sealingJws, nonce: entropy(32), rotations }).bytes;
  };
  const filler = limits.helloBytesMax.value - bytesWith(0).length;
  const read = (bytes: Uint8Array): Promise<{ kind: string }> => readHello({ bytes, known, nowMs });
  assert.equal((await read(bytesWith(filler))).kind, 'hello');
  assert.equal((await read(bytesWith(filler + 1))).kind, 'refused');
});

test('any bytes for any handshake message are refused within 50 ms', async () => {
  const server = await serverSide();
  const hello = await helloOf(server.hello.bytes);
  const { flight, pending } = createFlight({ hello, transport: 'ws', entropy });
  const prefixes = [
    server.hello.bytes.subarray(0, 40),
    flight.subarray(0, 40),
    flight.subarray(0, 1),
    new Uint8Array(0),
  ];
  const input = fc.record({ prefix: fc.constantFrom(...prefixes), rest: fc.uint8Array({ maxLength: 2000 }) });
  await fc.assert(
    fc.asyncProperty(input, async ({ prefix, rest }) => {
      const bytes = concatBytes(prefix, rest);
      await atOnce(50, async () => {
        assert.equal((await readHello({ bytes, known, nowMs })).kind, 'refused');
        assert.equal(await accept(server, bytes), refused);
        assert.equal(acceptReply({ pending: copyOf(pending), reply: bytes, nowMs }), refused);
      });
    }),
    { numRuns: 200 },
  );
  const large = new Uint8Array(limits.frameBytesBeforeAuthMax.value + 1).fill(2);
  assert.equal(await accept(server, large), refused);
});

test('every refused handshake closes at a multiple of refusalDelayMs', () => {
  const step = limits.refusalDelayMs.value;
  assert.equal(refusalWaitMs(0), step);
  assert.equal(refusalWaitMs(step - 1), 1);
  assert.equal(refusalWaitMs(step), step);
  assert.equal(refusalWaitMs(-5), step);
  assert.ok(step < 50);
});

test('what the server signs in a handshake is never what it signs in a certificate', async () => {
  const signed: Uint8Array[] = [];
  const server = await serverSide();
  const { flight } = createFlight({ hello: await helloOf(server.hello.bytes), transport: 'ws', entropy });
  const sign = (message: Uint8Array): Promise<Uint8Array> => {
    signed.push(message);
    return pssSign(server.identity, message);
  };
  await acceptFlight({ hello: server.hello, flight, transport: 'ws', openers: server.openers, sign, entropy, nowMs });
  const [message] = signed;
  assert.ok(message !== undefined && signed.length === 1);
  // A JWS signs base64url characters and a dot; our label has spaces.
  assert.match(new TextDecoder('latin1').decode(message.subarray(0, 20)), /^SecureChat server v1$/);
});
