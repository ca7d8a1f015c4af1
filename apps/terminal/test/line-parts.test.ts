// Goal: the small parts that line mode is made of: meaning of a line, completion, nearest names, lines of bytes.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SecureChatError } from '@securechat/client/vocabulary';
import fc from 'fast-check';
import { formatBytes } from '../src/byte-size.ts';
import { inputLines } from '../src/input-lines.ts';
import { commonBeginning, complete } from '../src/line/completion.ts';
import { parseAnswer, parseIntent, parsePath, parseUser } from '../src/line/intent.ts';
import { sentenceOf } from '../src/sentence.ts';
import { nearest } from '../src/suggestion.ts';

const folder = mkdtempSync(join(tmpdir(), 'securechat-parts-'));
after(() => rmSync(folder, { recursive: true }));

test('what a line means', () => {
  assert.deepEqual(parseIntent('  '), { kind: 'nothing' });
  assert.deepEqual(parseIntent('@bob  hi there'), { kind: 'direct', user: 'bob', text: 'hi there' });
  assert.deepEqual(parseIntent('@bob: hi'), { kind: 'direct', user: 'bob', text: 'hi' });
  assert.deepEqual(parseIntent('@bob'), { kind: 'direct', user: 'bob', text: '' });
  assert.deepEqual(parseIntent('@bob one\ntwo'), { kind: 'direct', user: 'bob', text: 'one\ntwo' });
  assert.deepEqual(parseIntent('!FILE bob x y'), { kind: 'command', name: 'file', rest: 'bob x y' });
  assert.deepEqual(parseIntent('/help'), { kind: 'command', name: 'help', rest: '' });
  assert.deepEqual(parseIntent('!'), { kind: 'command', name: '', rest: '' });
  assert.deepEqual(parseIntent('!!!'), { kind: 'literal', text: '!!' });
  assert.deepEqual(parseIntent('  two'), { kind: 'literal', text: ' two' });
  assert.deepEqual(parseIntent('#team hi'), { kind: 'group' });
  for (const line of ['@', '@ bob hi', '@bob,hi', '@:']) assert.deepEqual(parseIntent(line), { kind: 'unaddressed' });
  assert.deepEqual(parseIntent('mail a@b.c!'), { kind: 'text', text: 'mail a@b.c!' });
});

test('who asked too often is told how long to wait', () => {
  const told = (retryAfterMs: number) => sentenceOf(new SecureChatError('RATE_LIMITED', { retryAfterMs }));
  assert.equal(told(1), 'Too many requests. Try again in 1 s.');
  assert.equal(told(99_000), 'Too many requests. Try again in 99 s.');
  assert.equal(told(99_001), 'Too many requests. Try again in 2 min.');
  assert.equal(told(679_734), 'Too many requests. Try again in 12 min.');
  assert.equal(told(24 * 3_600_000), 'Too many requests. Try again in 24 h.');
});

test('a line that begins with ! or / never means a message', () => {
  fc.assert(
    fc.property(fc.constantFrom('!', '/'), fc.string(), (sign, rest) => {
      const intent = parseIntent(`${sign}${rest}`);
      if (!rest.startsWith(sign)) assert.equal(intent.kind, 'command');
    }),
  );
});

test('answers', () => {
  assert.equal(parseAnswer(' Yes '), true);
  assert.equal(parseAnswer('n'), false);
  assert.equal(parseAnswer('yep'), undefined);
  assert.equal(parseUser('@Bob:'), 'bob');
  assert.deepEqual(parseIntent('@BOB hi'), { kind: 'direct', user: 'bob', text: 'hi' });
});

test('paths as people type, paste and complete them', () => {
  const here =
    (...paths: string[]) =>
    (path: string) =>
      paths.includes(path);
  assert.equal(parsePath('~/a b.txt', '/people/a', here('/people/a/a b.txt')), '/people/a/a b.txt');
  assert.equal(parsePath('"/tmp/x y"', '/people/a', here()), '/tmp/x y');
  assert.equal(parsePath(String.raw`/tmp/x\ y`, '/people/a', here('/tmp/x y')), '/tmp/x y');
  assert.equal(parsePath(String.raw`/tmp/x\ y`, '/people/a', here(String.raw`/tmp/x\ y`)), String.raw`/tmp/x\ y`);
});

const sources = {
  commands: ['file', 'block', 'help', 'history'],
  users: () => Promise.resolve(['bob', 'bonnie', 'carol']),
  home: folder,
};

test('Tab completes commands, users and paths', async () => {
  assert.deepEqual(await complete('!h', sources), { start: 0, candidates: ['!help ', '!history '] });
  assert.deepEqual(await complete('/fi', sources), { start: 0, candidates: ['/file '] });
  assert.deepEqual(await complete('@bo', sources), { start: 0, candidates: ['@bob ', '@bonnie '] });
  assert.deepEqual(await complete('!block ca', sources), { start: 7, candidates: ['carol '] });
  assert.deepEqual(await complete('!block @ca', sources), { start: 8, candidates: ['carol '] });
  assert.deepEqual(await complete('!help fi', sources), { start: 6, candidates: ['file '] });
  assert.deepEqual((await complete('hello wor', sources)).candidates, []);

  mkdirSync(join(folder, 'My Documents'));
  writeFileSync(join(folder, 'My Documents', 'report 1.pdf'), '');
  writeFileSync(join(folder, '.hidden'), '');
  assert.deepEqual(await complete('!file bob ~/', sources), { start: 12, candidates: ['My Documents/'] });
  assert.deepEqual(await complete('!file bob ~/My Documents/re', sources), { start: 25, candidates: ['report 1.pdf'] });
  const quoted = `!file bob "${folder}/My Documents/re`;
  assert.deepEqual((await complete(quoted, sources)).candidates, ['report 1.pdf"']);
  assert.deepEqual((await complete('!file bob /no/such/', sources)).candidates, []);
});

test('the common beginning of candidates', () => {
  assert.equal(commonBeginning(['@bob ', '@bonnie ']), '@bo');
  assert.equal(commonBeginning(['one']), 'one');
  assert.equal(commonBeginning(['a', 'b']), '');
});

test('the nearest name is found, and none where nothing is near', () => {
  const names = [
    'help',
    'register',
    'login',
    'logout',
    'exit',
    'resetkeys',
    'file',
    'block',
    'unblock',
    'delete-account',
  ];
  assert.equal(nearest('hlep', names), 'help');
  assert.equal(nearest('logn', names), 'login');
  assert.equal(nearest('reset', names), 'resetkeys');
  assert.equal(nearest('regsiter', names), 'register');
  assert.equal(nearest('xyzzy', names), undefined);
  assert.equal(nearest('', names), undefined);
  assert.equal(nearest('x'.repeat(10_000), names), undefined);
});

test('sizes as people read them', () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, 104_857_600].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 KB',
    '1.2 MB',
    '105 MB',
  ]);
});

async function linesOf(chunks: readonly Uint8Array[], max: number): Promise<unknown[]> {
  async function* input(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const lines: unknown[] = [];
  for await (const line of inputLines(input(), max)) lines.push(line);
  return lines;
}

test('lines come out whole however the bytes are cut, at the bound and one past it', async () => {
  const line = (text: string) => ({ kind: 'line', text });
  assert.deepEqual(await linesOf([Buffer.from('one\r\ntw'), Buffer.from('o\n\nlast')], 10), [
    line('one'),
    line('two'),
    line(''),
    line('last'),
  ]);
  assert.deepEqual(await linesOf([Buffer.from('12345\n123456\n12345\r\nok\n')], 5), [
    line('12345'),
    { kind: 'too-long' },
    line('12345'),
    line('ok'),
  ]);
  assert.deepEqual(await linesOf([Buffer.from([0xff, 0x0a, 0x61])], 5), [{ kind: 'not-text' }, line('a')]);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 7 }), async (text, cut) => {
      const bytes = Buffer.from(`${text.replace(/[\r\n]/g, '')}\n`);
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
      const [only] = await linesOf(chunks, 10_000);
      assert.deepEqual(
        only,
        line(
          bytes
            .toString()
            .slice(0, -1)
            .replace(/^\ufeff/, ''),
        ),
      );
    }),
  );
});
