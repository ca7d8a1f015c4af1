/**
 * Goal: what the ProVerif models say (docs/protocol/models/check.sh) holds for the code, one case per verdict, as far as
 * running code can show it. A symbolic attacker's knowledge is played by handing it the real secret.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hmacSha256, mlKem768, openerOf, openSealed, sha256, x25519 } from '@securechat/crypto';
import type { LoginBinding, Session } from '@securechat/session';
import { acceptReply, bindLogin, createFlight } from '@securechat/session';
import { handshakeKeys } from '../src/keys.ts';
import type { HandshakeSecrets } from '../src/keys.ts';
import { handshakeTranscript } from '../src/transcript.ts';
import { Session as SessionObject } from '../src/session.ts';
import { accept, copyOf, entropy, handshake, helloOf, keys, nowMs, only, serverSide, utf8 } from './parties.ts';
import type { ServerSide } from './parties.ts';

const text = utf8('secret of the client');

/** One run, with everything an attacker could ever come to know of it. */
async function observed() {
  const server = await serverSide();
  const hello = await helloOf(server.hello.bytes);
  const { flight, pending } = createFlight({ hello, transport: 'ws', entropy });
  const kept = copyOf(pending);
  const accepted = await accept(server, flight);
  assert.ok(accepted.kind === 'established');
  const finished = acceptReply({ pending, reply: accepted.reply, nowMs });
  assert.ok(finished.kind === 'established');
  const head = accepted.reply.subarray(0, 1 + 32 + 1088);
  const label = 'SecureChat session v1';
  const transcript = handshakeTranscript({ label, transport: 'ws', hello: hello.bytes, flight, reply: head });
  const secrets: HandshakeSecrets = {
    dh: x25519.shared(kept.dhPrivate, head.subarray(1, 33)) ?? assert.fail(),
    kem: mlKem768.decapsulate(kept.kemPrivate, head.subarray(33)) ?? assert.fail(),
    secret: kept.secret,
  };
  return { server, hello, flight, transcript, secrets, client: finished.session, reply: accepted.reply };
}

/** Whether knowing these secrets (the others guessed) is enough to read the client's first record. */
function reads(run: Awaited<ReturnType<typeof observed>>, knows: Partial<HandshakeSecrets>): boolean {
  const guessed = { dh: entropy(32), kem: entropy(32), secret: entropy(32), ...knows };
  const derived = handshakeKeys(guessed, run.transcript);
  const eavesdropper = new SessionObject({ role: 'server', keys: derived, transcript: run.transcript, nowMs });
  return eavesdropper.open(only(run.client.seal(text, nowMs))) !== undefined;
}

test('with nothing known the session is secret; with all three secrets it is not, so the test can fail', async () => {
  assert.equal(reads(await observed(), {}), false);
  const run = await observed();
  assert.equal(reads(run, run.secrets), true);
});

test('X25519 broken: ML-KEM keeps the session secret, even after every RSA key leaked', async () => {
  const run = await observed();
  assert.equal(reads(run, { dh: run.secrets.dh, secret: run.secrets.secret }), false);
});

test('ML-KEM broken: X25519 keeps the session secret, even after every RSA key leaked', async () => {
  const run = await observed();
  assert.equal(reads(run, { kem: run.secrets.kem, secret: run.secrets.secret }), false);
});

test('X25519 and ML-KEM broken: the session is safe until the sealing key leaks', async () => {
  const run = await observed();
  assert.equal(reads(run, { dh: run.secrets.dh, kem: run.secrets.kem }), false);
});

test("the server's sealing key leaked: flights can be read, sessions cannot, and nobody can play the server", async () => {
  const run = await observed();
  const sealed = run.flight.subarray(1);
  const opened = await openSealed({
    openers: [openerOf(keys.sealing)],
    purpose: 'flight',
    context: run.hello.hash,
    sealed,
    entropy,
  });
  const secret = opened?.slice(66 + 32 + 1184, 66 + 32 + 1184 + 32);
  assert.deepEqual(secret, run.secrets.secret);
  assert.equal(reads(run, { secret: run.secrets.secret }), false);
  const impostor: ServerSide = { ...run.server, identity: keys.otherIdentity };
  const { flight, pending } = createFlight({ hello: run.hello, transport: 'ws', entropy });
  const accepted = await accept(impostor, flight);
  assert.ok(accepted.kind === 'established');
  assert.equal(acceptReply({ pending, reply: accepted.reply, nowMs }).kind, 'refused');
});

test('every long-term key leaked afterwards: a recorded session stays closed', async () => {
  // The long-term keys open the flight (the 32-byte secret) and nothing else.
  const run = await observed();
  assert.equal(reads(run, { secret: run.secrets.secret }), false);
});

test("the client's keys are the server's, in one transcript, one to one", async () => {
  const server = await serverSide();
  const runs = await Promise.all([1, 2, 3].map(() => handshake(server)));
  const seen = runs.map(({ client, server: other }) => {
    assert.deepEqual(client.transcript, other.transcript);
    return Buffer.from(client.transcript).toString('hex');
  });
  assert.equal(new Set(seen).size, runs.length);
});

// OPAQUE as an ideal PAKE: both ends hold the session key, the relay does not (login-unpinned.pv).
const login: LoginBinding = {
  sessionKey: hmacSha256(utf8('record'), utf8('password')),
  ke1: 'KE1',
  ke2: 'KE2',
  ke3: 'KE3',
};

/** A relay between a client that pins nothing and a server: it knows the keys of both of its sessions. */
async function relayed(): Promise<{ client: Session; toClient: Session; toServer: Session; server: Session }> {
  const mine = await serverSide({ identity: keys.otherIdentity, sealing: keys.otherSealing });
  const unpinned = { fingerprint: undefined, sealingSequenceMin: 0, versionMin: 0 };
  const left = await handshake(mine, unpinned);
  const right = await handshake();
  return { client: left.client, toClient: left.server, toServer: right.client, server: right.server };
}

/** Passes one record through the relay: it opens it on one side and seals it on the other. */
function pass(from: Session, into: Session, onward: Session, to: Session, content: Uint8Array): Uint8Array | undefined {
  const read = into.open(only(from.seal(content, nowMs)));
  return read && to.open(only(onward.seal(read, nowMs)));
}

test('a login through a relay, not bound to OPAQUE, is read by the relay: so the next test can fail', async () => {
  const { client, toClient, toServer, server } = await relayed();
  assert.deepEqual(pass(client, toClient, toServer, server, text), text);
});

test('a login through a relay, bound to OPAQUE, breaks off: the relay neither reads nor forwards', async () => {
  const { client, toClient, toServer, server } = await relayed();
  assert.deepEqual(pass(client, toClient, toServer, server, utf8('KE1')), utf8('KE1'));
  bindLogin(client, login, nowMs);
  bindLogin(server, login, nowMs);
  const fromServer = only(server.seal(utf8('LoginDone'), nowMs));
  const fromClient = only(client.seal(text, nowMs));
  // Not to be read with the relay's keys, and not to be forwarded as it is: the transcripts differ.
  assert.equal(toServer.open(fromServer), undefined);
  assert.equal(toClient.open(fromClient), undefined);
  assert.equal(client.open(fromServer), undefined);
  assert.equal(server.open(fromClient), undefined);
});

test('a login without a relay goes on, bound to exactly the messages that were exchanged', async () => {
  const { client, server } = await handshake();
  bindLogin(client, login, nowMs);
  bindLogin(server, login, nowMs);
  assert.deepEqual(client.open(only(server.seal(utf8('LoginDone'), nowMs))), utf8('LoginDone'));
  assert.deepEqual(server.open(only(client.seal(text, nowMs))), text);
  const changes: Partial<LoginBinding>[] = [
    { sessionKey: sha256(text) },
    { ke1: 'x' },
    { ke2: 'x' },
    { ke3: 'x' },
    { ke1: 'KE1K', ke2: 'E2' },
  ];
  for (const change of changes) {
    const other = await handshake();
    bindLogin(other.client, login, nowMs);
    bindLogin(other.server, { ...login, ...change }, nowMs);
    assert.equal(other.client.open(only(other.server.seal(text, nowMs))), undefined);
  }
});
