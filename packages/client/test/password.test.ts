/** Which passwords a new account may have: at each limit and one past it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '@securechat/wire';
import { normalisedPassword, suitablePassword } from '../src/password.ts';

const unsuitable = { code: 'PASSWORD_UNSUITABLE' };

test('length counts characters as people see code points, after normalising', async () => {
  const { passwordCharsMin, passwordCharsMax } = limits;
  assert.equal(await suitablePassword('ähöüßx', 'bob'), 'ähöüßx');
  await assert.rejects(suitablePassword('ähöüß', 'bob'), unsuitable);
  assert.equal([...(await suitablePassword('🦊'.repeat(passwordCharsMin.value), 'bob'))].length, 6);
  const longest = 'xy'.repeat(passwordCharsMax.value / 2);
  assert.equal(await suitablePassword(longest, 'bob'), longest);
  await assert.rejects(suitablePassword(`${longest}z`, 'bob'), unsuitable);
  assert.throws(() => normalisedPassword('x'.repeat(4 * passwordCharsMax.value + 1)), unsuitable);
});

test('the commonest, the user name and control characters are refused with their reason', async () => {
  for (const common of ['123456', 'password', 'QWERTYUIOP', 'letmein'])
    await assert.rejects(suitablePassword(common, 'bob'), { ...unsuitable, message: /commonest/ });
  await assert.rejects(suitablePassword('Roberta', 'roBERTA'), { ...unsuitable, message: /user name/ });
  await assert.rejects(suitablePassword('tab\tinside', 'bob'), { ...unsuitable, message: /control/ });
  await assert.rejects(suitablePassword('\u001b[A\u001b[A\u001b[A', 'bob'), unsuitable);
  assert.equal(await suitablePassword('  spaces count  ', 'bob'), '  spaces count  ');
});
