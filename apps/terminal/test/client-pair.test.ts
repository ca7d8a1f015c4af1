/** Two clients, one server, in one process: what people do with each other, over both transports. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { SecureChatError } from '@securechat/client';
import type { Person, Stand } from './client-stand.ts';
import { openPeopledStand, PASSWORD } from './client-stand.ts';

async function on(play: (stand: Stand) => Promise<void>, config = {}): Promise<void> {
  const stand = await openPeopledStand(config);
  try {
    await play(stand);
  } finally {
    await stand.close();
  }
}

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof SecureChatError, String(error));
  assert.equal(error.code, expected);
  return true;
};

const texts = (person: Person): string[] =>
  person.events.flatMap((event) => (event.kind === 'message' ? [event.message.text] : []));

suite('two clients and a server', { concurrency: 3 }, () => {
  test('two people talk over both transports, and see sent, delivered and read', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const sent = await alice.client.send('@bob', 'hello bob');
      assert.equal(sent.state, 'sent');
      const { message } = await bob.heard('message');
      assert.equal(message.text, 'hello bob');
      assert.equal(message.from, 'alice');
      await alice.heard('state', ({ id, state }) => id === sent.id && state === 'delivered');
      await bob.client.markRead('alice');
      await alice.heard('state', ({ id, state }) => id === sent.id && state === 'read');
      await bob.client.send('alice', 'hello alice', { replyTo: message.id });
      const answer = (await alice.heard('message')).message;
      assert.equal(answer.text, 'hello alice');
      assert.equal(answer.replyTo, sent.id);
      const history = await alice.client.history({ with: '@bob' });
      assert.deepEqual(
        history.map(({ text, own, state }) => [text, own, state]),
        [
          ['hello bob', true, 'read'],
          ['hello alice', false, undefined],
        ],
      );
    }));

  test('many messages at once arrive once each, in order, in both directions', () =>
    on(
      async (stand) => {
        const [alice, bob] = await stand.pair();
        const numbers = Array.from({ length: 150 }, (_, at) => String(at));
        const sends = numbers.flatMap((text) => [alice.client.send('bob', text), bob.client.send('alice', text)]);
        // On a busy machine some count as queued after 5 s; all the same they go.
        await Promise.all(sends);
        await bob.heard('message', ({ message }) => message.text === '149');
        await alice.heard('message', ({ message }) => message.text === '149');
        assert.deepEqual(texts(bob), numbers);
        assert.deepEqual(texts(alice), numbers);
      },
      { limits: ['messagesPerSecond=1000', 'messagesBurst=1000'] },
    ));

  test('a rate limit makes the client wait and go on, in order', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const numbers = Array.from({ length: 70 }, (_, at) => String(at));
      await Promise.all(numbers.map((text) => alice.client.send('bob', text)));
      await bob.heard('message', ({ message }) => message.text === '69');
      assert.deepEqual(texts(bob), numbers);
      assert.equal(
        bob.events.some(({ kind }) => kind === 'gap'),
        false,
      );
    }));

  test('what is written to somebody away waits for them; what is written without a server waits here', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      await bob.client.logout();
      const first = await alice.client.send('bob', 'one');
      assert.equal(first.state, 'sent');
      assert.equal(first.recipient, 'offline');
      await assert.rejects(alice.client.send('bob', 'now or never', { onlineOnly: true }), code('RECIPIENT_OFFLINE'));
      await alice.client.send('bob', 'two');
      const login = await bob.client.login({ username: 'bob', password: PASSWORD });
      assert.deepEqual(login.unread, [{ user: 'alice', count: 2 }]);
      assert.deepEqual(texts(bob), ['one', 'two']);

      await stand.stop();
      await alice.heard('connection', ({ state }) => state === 'offline');
      const queued = await alice.client.send('bob', 'three');
      assert.equal(queued.state, 'queued');
      assert.equal((await alice.client.status()).unsent, 1);
      await stand.start();
      await bob.heard('message', ({ message }) => message.text === 'three');
      await alice.heard('state', ({ id, state }) => id === queued.id && state === 'delivered');
      assert.equal(
        bob.events.some(({ kind }) => kind === 'gap'),
        false,
      );
    }));

  test('both start at once and end in one conversation', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const sends = await Promise.all([
        alice.client.send('bob', 'a1'),
        bob.client.send('alice', 'b1'),
        alice.client.send('bob', 'a2'),
        bob.client.send('alice', 'b2'),
      ]);
      for (const { state } of sends) assert.equal(state, 'sent');
      await alice.heard('message', ({ message }) => message.text === 'b2');
      await bob.heard('message', ({ message }) => message.text === 'a2');
      assert.deepEqual(texts(alice), ['b1', 'b2']);
      assert.deepEqual(texts(bob), ['a1', 'a2']);
    }));

  test('a profile opens without a server, and a wrong password opens nothing', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      await alice.client.send('bob', 'remember me');
      await alice.client.logout();
      await bob.client.logout();
      await stand.stop();
      await assert.rejects(alice.client.login({ username: 'alice', password: 'wrong password' }), code('AUTH_FAILED'));
      await alice.client.login({ username: 'Alice', password: PASSWORD });
      const [kept] = await alice.client.history({ with: 'bob' });
      assert.equal(kept?.text, 'remember me');
      assert.equal((await alice.client.send('bob', 'later')).state, 'queued');
      await alice.client.close();
      await stand.start();
      const again = await stand.client('alice');
      await again.client.login({ username: 'alice', password: PASSWORD });
      await bob.client.login({ username: 'bob', password: PASSWORD });
      await bob.heard('message', ({ message }) => message.text === 'later');
    }));

  test('the answers of the original: no such user, yourself, blocked, wrong password, name taken', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      await assert.rejects(alice.client.send('nobody', 'x'), code('NO_SUCH_USER'));
      await assert.rejects(alice.client.send('alice', 'x'), code('SELF'));
      await assert.rejects(alice.client.send('bob', 'x'.repeat(64 * 1024 + 1)), code('TEXT_TOO_LONG'));
      await bob.client.block('alice');
      await assert.rejects(alice.client.send('bob', 'hidden'), code('BLOCKED'));
      await assert.rejects(bob.client.send('alice', 'x'), code('YOU_BLOCKED'));
      await bob.client.unblock('alice');
      await alice.client.send('bob', 'shown');
      await bob.heard('message', ({ message }) => message.text === 'shown');
      await bob.client.block('alice');
      await assert.rejects(alice.client.send('bob', 'hidden again'), code('BLOCKED'));
      await bob.client.block('alice', { quiet: true });
      assert.equal((await alice.client.send('bob', 'swallowed')).state, 'sent');
      await bob.client.unblock('alice');
      await alice.client.send('bob', 'shown again');
      await bob.heard('message', ({ message }) => message.text === 'shown again');
      assert.deepEqual(texts(bob), ['shown', 'shown again']);

      const other = await stand.client('other');
      await assert.rejects(other.client.login({ username: 'alice', password: 'not it at all' }), code('AUTH_FAILED'));
      await assert.rejects(other.client.login({ username: 'nobody', password: PASSWORD }), code('AUTH_FAILED'));
      const register = { username: 'alice', password: PASSWORD, invite: stand.invite };
      await assert.rejects(other.client.register(register), code('NAME_TAKEN'));
      await assert.rejects(other.client.register({ ...register, username: 'ab' }), code('NAME_INVALID'));
      await assert.rejects(other.client.register({ username: 'carol', password: PASSWORD }), code('INVITE_REQUIRED'));
      await assert.rejects(
        other.client.register({ username: 'carol', password: 'password', invite: stand.invite }),
        code('PASSWORD_UNSUITABLE'),
      );
      await other.client.register({ username: 'carol', password: PASSWORD, invite: stand.invite });
      await other.client.send('alice', 'it is carol');
      await alice.heard('message', ({ message }) => message.from === 'carol');
    }));

  test('a second login on this machine takes the account over', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const second = await stand.client('alice', 'tcp');
      // The same profile folder: the address pins the same server.
      await second.client.login({ username: 'alice', password: PASSWORD });
      const ended = await alice.heard('loggedOut');
      assert.equal(ended.code, 'SESSION_REPLACED');
      await bob.client.send('alice', 'who is there');
      await second.heard('message', ({ message }) => message.text === 'who is there');
      await assert.rejects(alice.client.send('bob', 'x'), code('NOT_LOGGED_IN'));
    }));

  test('recovery words bring an account back on an empty device, and its conversations go on', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const made = stand.registered.alice;
      await alice.client.send('bob', 'from the old device');
      await bob.heard('message');
      await bob.client.send('alice', 'to the old device');
      await alice.heard('message');

      const fresh = await stand.client('elsewhere');
      await assert.rejects(
        fresh.client.login({ username: 'alice', password: PASSWORD }),
        code('RECOVERY_WORDS_REQUIRED'),
      );
      const wrong = 'legal winner thank year wave sausage worth useful legal winner thank yellow';
      await assert.rejects(
        fresh.client.login({ username: 'alice', password: PASSWORD, recoveryWords: wrong }),
        code('RECOVERY_WORDS_WRONG'),
      );
      await fresh.client.login({ username: 'alice', password: PASSWORD, recoveryWords: made.recoveryWords });
      assert.equal((await alice.heard('loggedOut')).code, 'DEVICE_REVOKED');
      assert.equal((await fresh.client.status()).fingerprint, made.fingerprint);

      // Both directions, each first to write once.
      await bob.client.send('alice', 'to the new device');
      await fresh.heard('message', ({ message }) => message.text === 'to the new device');
      await fresh.client.send('bob', 'from the new device');
      await bob.heard('message', ({ message }) => message.text === 'from the new device');
      assert.equal(
        bob.events.some(({ kind }) => kind === 'keyChanged'),
        false,
      );
      assert.ok(bob.events.some(({ kind }) => kind === 'newDevice'));

      // The old profile: revoked without the words, back with them.
      await assert.rejects(alice.client.login({ username: 'alice', password: PASSWORD }), code('DEVICE_REVOKED'));
      await alice.client.login({ username: 'alice', password: PASSWORD, recoveryWords: made.recoveryWords });
      await alice.client.send('bob', 'from the old device again');
      await bob.heard('message', ({ message }) => message.text === 'from the old device again');
      const history = await alice.client.history({ with: 'bob' });
      assert.equal(history[0]?.text, 'from the old device');
    }));

  test('a key reset: unverified contacts go on, a verified one halts until verified again', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      await alice.client.send('bob', 'before');
      await bob.heard('message');
      await bob.client.send('alice', 'before, too');
      await bob.client.resetKeys();
      await alice.heard('keyChanged', ({ user, verified }) => user === 'bob' && !verified);
      await alice.client.send('bob', 'after');
      await bob.heard('message', ({ message }) => message.text === 'after');
      await bob.client.send('alice', 'back');
      await alice.heard('message', ({ message }) => message.text === 'back');

      const shown = await bob.client.safetyNumber('alice');
      assert.match(shown.safetyNumber, /^(\d{5} ){11}\d{5}$/);
      assert.equal((await alice.client.safetyNumber('bob')).safetyNumber, shown.safetyNumber);
      assert.equal((await alice.client.verify('bob', '00000 '.repeat(12))).verified, false);
      assert.equal((await alice.client.verify('bob', shown.safetyNumber.replaceAll(' ', ''))).verified, true);
      await alice.client.send('bob', 'verified', { requireVerified: true });

      const from = alice.events.length;
      await bob.client.resetKeys();
      await alice.heard('keyChanged', ({ verified }) => verified, from);
      await assert.rejects(alice.client.send('bob', 'halted'), code('KEY_CHANGED'));
      // What bob writes is still read.
      await bob.client.send('alice', 'it is me');
      await alice.heard('message', ({ message }) => message.text === 'it is me');
      const again = await bob.client.safetyNumber('alice');
      assert.notEqual(again.safetyNumber, shown.safetyNumber);
      assert.equal((await alice.client.verify('bob', again.safetyNumber)).verified, true);
      await alice.client.send('bob', 'goes on');
      await bob.heard('message', ({ message }) => message.text === 'goes on');
    }));

  test('what a reset keeps from arriving comes back as failed, and can be sent again', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const made = stand.registered.bob;
      await alice.client.send('bob', 'first');
      await bob.heard('message');
      await bob.client.close();
      const lost = await alice.client.send('bob', 'lost');
      const fresh = await stand.client('elsewhere');
      await fresh.client.login({ username: 'bob', password: PASSWORD, recoveryWords: made.recoveryWords });
      const failed = await alice.heard('state', ({ id, state }) => id === lost.id && state === 'failed');
      assert.equal(failed.code, 'RECIPIENT_RESET');
      assert.equal((await alice.client.resend(lost.id)).state, 'sent');
      await fresh.heard('message', ({ message }) => message.text === 'lost');
      await assert.rejects(alice.client.resend(lost.id), code('NO_SUCH_GROUP'));
    }));

  test('a file is offered, accepted, sent, verified; another is declined', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const content = Buffer.alloc(3 * 1024 * 1024 + 17, 'every byte counts. ');
      const path = join(stand.folder, 'report.txt');
      writeFileSync(path, content);
      const { id } = await alice.client.sendFile('bob', path);
      const offer = await bob.heard('fileOffer');
      assert.deepEqual([offer.id, offer.from, offer.name, offer.bytes], [id, 'alice', 'report.txt', content.length]);
      await bob.client.acceptFile(id);
      await alice.heard('fileAnswered', ({ accepted }) => accepted);
      const received = await bob.heard('fileReceived');
      assert.ok(readFileSync(received.path).equals(content));
      assert.equal(received.path, join(bob.downloads, 'report.txt'));
      await alice.heard('fileDelivered', (event) => event.id === id);
      await assert.rejects(bob.client.acceptFile(id), code('NO_SUCH_TRANSFER'));

      const second = await bob.client.sendFile('alice', path);
      await alice.heard('fileOffer', (event) => event.id === second.id);
      await alice.client.declineFile(second.id);
      await bob.heard('fileAnswered', (event) => event.id === second.id && event.code === 'FILE_DECLINED');

      const third = await alice.client.sendFile('bob', path);
      await bob.heard('fileOffer', (event) => event.id === third.id);
      // A folder that takes nothing is said before the sender begins, and the offer waits on.
      await assert.rejects(bob.client.acceptFile(third.id, path), code('FILE_UNWRITABLE'));
      await bob.client.acceptFile(third.id);
      const twice = await bob.heard('fileReceived', (event) => event.id === third.id);
      assert.equal(twice.path, join(bob.downloads, 'report (2).txt'));
      await assert.rejects(alice.client.sendFile('bob', join(stand.folder, 'absent')), code('FILE_NOT_FOUND'));
      await assert.rejects(alice.client.sendFile('bob', stand.folder), code('FILE_UNREADABLE'));
    }));

  test('a file survives the loss of the connection on both sides', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      const content = Buffer.alloc(12 * 1024 * 1024, 'again and again ');
      const path = join(stand.folder, 'large.bin');
      writeFileSync(path, content);
      const { id } = await alice.client.sendFile('bob', path);
      await bob.heard('fileOffer');
      await bob.client.acceptFile(id);
      await alice.heard('fileProgress', ({ bytes }) => bytes > 1024 * 1024);
      await stand.restart();
      const received = await bob.heard('fileReceived');
      assert.ok(readFileSync(received.path).equals(content));
      await alice.heard('fileDelivered');
    }));

  test('presence follows who comes and goes', () =>
    on(async (stand) => {
      const [alice, bob] = await stand.pair();
      await alice.client.send('bob', 'hi');
      await bob.heard('message');
      assert.equal(await alice.client.presence('bob'), 'online');
      await bob.client.logout();
      assert.equal(await alice.client.presence('bob'), 'offline');
      const [contact] = await alice.client.contacts();
      assert.equal(contact?.user, 'bob');
      assert.equal(contact.verified, false);
    }));

  test('an invite made by one lets another in; a deleted account is gone on both sides', () =>
    on(async (stand) => {
      const [alice] = await stand.pair();
      const invite = await alice.client.invite({ uses: 1 });
      assert.match(invite.link, /^securechat:ws:\/\/.*#sha256:.*\?invite=/);
      const dora = await stand.client('dora', 'tcp');
      await dora.client.register({ username: 'dora', password: PASSWORD, invite: invite.code });
      await dora.client.send('alice', 'thank you');
      await alice.heard('message');
      await assert.rejects(dora.client.deleteAccount('alice'), code('NO_SUCH_USER'));
      await dora.client.deleteAccount('dora');
      assert.equal(await dora.client.hasProfile('dora'), false);
      await assert.rejects(dora.client.login({ username: 'dora', password: PASSWORD }), code('AUTH_FAILED'));
      await assert.rejects(alice.client.send('dora', 'where are you'), code('NO_SUCH_USER'));
    }));

  test('open registration asks for work and for consent to the server, whose key is pinned then', () =>
    on(
      async (stand) => {
        const [server = ''] = stand.address('ws').split('#');
        const account = { username: 'erin', password: PASSWORD };
        const wary = await stand.client('wary', 'ws', { server, confirmServer: () => Promise.resolve(false) });
        await assert.rejects(wary.client.registration(), code('SERVER_KEY_UNCONFIRMED'));
        await assert.rejects(wary.client.register(account), code('SERVER_KEY_UNCONFIRMED'));
        assert.equal((await wary.client.status()).serverFingerprint, null);
        const shown: string[] = [];
        const confirmServer = (fingerprint: string) => Promise.resolve(shown.push(fingerprint) === 1);
        const erin = await stand.client('erin', 'ws', { server, confirmServer });
        assert.equal(await erin.client.registration(), 'open');
        assert.equal((await erin.client.status()).serverFingerprint, shown[0]);
        await erin.client.register(account);
        const status = await erin.client.status();
        assert.equal(status.username, 'erin');
        assert.deepEqual(shown, [status.serverFingerprint]);
        assert.equal((await erin.heard('serverPinned')).fingerprint, status.serverFingerprint);
        // Pinned: an address that names another key is refused before anything is sent.
        const other = `${server}#sha256:${'A'.repeat(43)}`;
        await assert.rejects(stand.client('erin', 'ws', { server: other }), code('SERVER_KEY_CHANGED'));
      },
      { registration: 'open', registrationPowBits: 10 },
    ));
});
