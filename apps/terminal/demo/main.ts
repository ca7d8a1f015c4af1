/**
 * `npm run demo`: a server and two people in one terminal. They talk over both transports, exchange a file, one writes
 * while the other is away; then everything the server has stored is laid open. About ten seconds; leaves nothing behind.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@securechat/client';
import type { Client, ClientEvent } from '@securechat/client';
import { loadConfig, runServer } from '@securechat/server';
import { sanitizeText } from '../src/sanitize.ts';
import { filesOf, findWords, tablesOf } from './stored.ts';

/** 2048 keeps the demo short; the default of a real profile is 3072. */
const RSA_BITS = 2048;
const PASSWORD = 'lantern velvet quarry';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const title = (text: string): void => say(`\n== ${text}`);

/** Everything that must not be readable on the server. */
const spoken: string[] = ['alice', 'bob', PASSWORD];

interface Person {
  readonly name: string;
  readonly client: Client;
  hear<K extends ClientEvent['kind']>(kind: K): Promise<Extract<ClientEvent, { readonly kind: K }>>;
}

const folder = mkdtempSync(join(tmpdir(), 'securechat-demo-'));
try {
  await demonstrate();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function demonstrate(): Promise<void> {
  const begun = performance.now();
  title('A server, on a free port of this machine');
  const data = join(folder, 'server');
  const flags = {
    data,
    listen: '127.0.0.1:0',
    listenTcp: '127.0.0.1:0',
    rsaBits: String(RSA_BITS),
    logLevel: 'silent',
  };
  const server = await runServer(loadConfig({ flags, env: {}, home: folder }));
  const { http, tcp, fingerprint, invite = '' } = server.ready;
  say(`   ${http.replace('http', 'ws')}   ${tcp}`);
  say(`   ${fingerprint}`);

  title('alice registers over WebSocket, bob over raw TCP');
  const alice = await register('alice', `${http.replace('http', 'ws')}#${fingerprint}`, invite);
  const bob = await register('bob', `${tcp}#${fingerprint}`, invite);
  const { safetyNumber } = await alice.client.safetyNumber('bob');
  say(`   safety number, equal on both sides: ${safetyNumber.slice(0, 23)} …`);

  title('They talk');
  await tell(alice, bob, 'Have you got the blueprints of the lighthouse?');
  await tell(bob, alice, 'Yes. The spare key is under the third stone.');
  await tell(alice, bob, 'Grüße an alle 👋 你好');

  title('A file: offered, accepted, sent');
  const original = Buffer.from('BLUEPRINT lighthouse, lamp room, third floor\n'.repeat(20_000));
  const path = join(folder, 'blueprint.txt');
  writeFileSync(path, original);
  spoken.push('BLUEPRINT lighthouse', 'blueprint.txt');
  await alice.client.sendFile('@bob', path);
  const offer = await bob.hear('fileOffer');
  say(`   bob:   @${offer.from} offers ${offer.name} (${offer.bytes} bytes). Accept? y`);
  await bob.client.acceptFile(offer.id);
  const received = await bob.hear('fileReceived');
  if (!readFileSync(received.path).equals(original)) throw new Error('the file changed on its way');
  say(`   bob:   received, ${original.length} bytes, identical (sha256 ${received.sha256.slice(0, 16)}…)`);

  title('bob leaves; alice writes all the same');
  await bob.client.logout();
  const late = 'Meet me at the lighthouse at midnight.';
  spoken.push(late);
  const result = await alice.client.send('@bob', late);
  say(`   alice> @bob ${late}`);
  if (result.recipient === 'offline') {
    say('   alice: User is offline. Your message will be delivered, encrypted, when they return.');
  }

  title('What the server has stored, now that a message waits');
  for (const { name, rows, bytes } of tablesOf(data)) {
    say(`   ${name.padEnd(24)} ${String(rows).padStart(5)} rows ${String(bytes).padStart(9)} bytes`);
  }
  const { excerpt, files } = filesOf(data);
  for (const { name, bytes } of files) say(`   ${name.padEnd(24)} ${String(bytes).padStart(22)} bytes`);
  say('   the newest message body, as it lies there:');
  for (const line of excerpt) say(`     ${line}`);

  title('Looking for everything that was said, in every file of the server');
  const found = findWords(data, spoken);
  for (const { word, hits } of found) {
    // A server has to know the names it routes to; what was said it must not know.
    const note = hits > 0 && (word === 'alice' || word === 'bob') ? '  (user names are how it finds the mailbox)' : '';
    say(`   ${String(hits).padStart(3)} hits  ${JSON.stringify(word)}${note}`);
  }
  const leaked = found.filter(({ word, hits }) => hits > 0 && word !== 'alice' && word !== 'bob');
  if (leaked.length > 0) throw new Error('the server can read what was said');

  title('bob comes back');
  await bob.client.login({ username: 'bob', password: PASSWORD });
  const { message } = await bob.hear('message');
  say(`   bob:   @${message.from}: ${sanitizeText(message.text)}`);

  await Promise.all([alice.client.close(), bob.client.close()]);
  await server.close();
  say(`\nDone in ${((performance.now() - begun) / 1000).toFixed(1)} s. Nothing is left on the disk.`);
}

async function register(name: string, server: string, invite: string): Promise<Person> {
  const client = await connect({
    server,
    profileDirectory: join(folder, name),
    downloadDirectory: join(folder, `${name}-downloads`),
    rsaBits: RSA_BITS,
  });
  const heard: ClientEvent[] = [];
  let wake = Promise.withResolvers<void>();
  void (async () => {
    for await (const event of client.events()) {
      heard.push(event);
      wake.resolve();
      wake = Promise.withResolvers<void>();
    }
  })();
  const { recoveryWords } = await client.register({ username: name, password: PASSWORD, invite });
  spoken.push(recoveryWords);
  say(`   ${name}: registered, recovery words "${recoveryWords.split(' ').slice(0, 2).join(' ')} …"`);
  return {
    name,
    client,
    hear: async <K extends ClientEvent['kind']>(kind: K) => {
      for (;;) {
        const index = heard.findIndex((event) => event.kind === kind);
        const [event] = index < 0 ? [] : heard.splice(index, 1);
        if (event !== undefined) return event as Extract<ClientEvent, { readonly kind: K }>;
        await wake.promise;
      }
    },
  };
}

async function tell(from: Person, to: Person, text: string): Promise<void> {
  spoken.push(text);
  await from.client.send(`@${to.name}`, text);
  say(`   ${`${from.name}>`.padEnd(6)} @${to.name} ${text}`);
  const { message } = await to.hear('message');
  say(`   ${`${to.name}:`.padEnd(6)} @${message.from}: ${sanitizeText(message.text)}`);
}
