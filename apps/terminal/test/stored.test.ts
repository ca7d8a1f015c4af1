// Goal: what the demo shows of the server's folder is no artefact of a blind search.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findWords } from '../demo/stored.ts';
import { makeFolder } from './processes.ts';

test('the search can find: a word that is there is found in every form', () => {
  const place = makeFolder('found');
  const word = 'PELICAN-at-dawn';
  for (const [index, form] of [
    word,
    Buffer.from(word, 'utf16le'),
    Buffer.from(word).toString('hex'),
    Buffer.from(`x${word}`).toString('base64'),
    Buffer.from(`xy${word}`).toString('base64url'),
    Buffer.from(`xyz${word}!`).toString('base64'),
  ].entries()) {
    writeFileSync(join(place.path, `${index}.bin`), form);
  }
  assert.ok((findWords(place.path, [word])[0]?.hits ?? 0) >= 6);
  return place.remove();
});
