// Goal: an invite link is address, fingerprint and code in one, wherever it is pasted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInviteLink } from '../src/invite-link.ts';
import { readSettings } from '../src/settings.ts';

const server = `wss://chat.example.org:443#sha256:${'A'.repeat(43)}`;
const settings = (flags: Record<string, string | boolean>, env: Record<string, string> = {}) =>
  readSettings({ flags, env: { SECURECHAT_HOME: '/nowhere/at/all', ...env }, home: '/nowhere' });

test('a link has an address and a code', () => {
  assert.deepEqual(parseInviteLink(`securechat:${server}?invite=CODE`), { server, invite: 'CODE' });
  assert.deepEqual(parseInviteLink('securechat:ws://h:1'), { server: 'ws://h:1', invite: undefined });
  assert.equal(parseInviteLink(server), undefined);
  assert.equal(parseInviteLink('CODE'), undefined);
});

test('--server takes a link; --invite is stronger than the code in it', () => {
  const { server: address, invite } = settings({ server: `securechat:${server}?invite=CODE` });
  assert.deepEqual([address, invite], [server, 'CODE']);
  assert.equal(settings({ server: `securechat:${server}?invite=CODE`, invite: 'OTHER' }).invite, 'OTHER');
  assert.equal(settings({ server }, { SECURECHAT_INVITE: 'ENV' }).invite, 'ENV');
  assert.equal(settings({ server: `securechat:${server}?invite=CODE` }, { SECURECHAT_INVITE: 'ENV' }).invite, 'CODE');
});

test('a link to what is no address is refused', () => {
  for (const link of ['securechat:', 'securechat:nowhere', 'securechat:http://h:1?invite=CODE']) {
    assert.throws(() => settings({ server: link }), { code: 'USAGE' }, link);
  }
});

test('--no-bell, and the variable', () => {
  assert.equal(settings({}).bell, true);
  // The parser of flags gives true where the flag is absent.
  assert.equal(settings({ bell: true }, { SECURECHAT_BELL: 'false' }).bell, false);
  assert.equal(settings({ bell: false }, { SECURECHAT_BELL: 'true' }).bell, false);
  assert.throws(() => settings({}, { SECURECHAT_BELL: 'loud' }), { code: 'USAGE' });
});
