import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '@securechat/crypto';
import type { BlobId } from '@securechat/wire';
import { concatBytes, defaultLimits } from '@securechat/wire';
import type { FileShape } from '../src/index.ts';
import {
  blobBytes,
  chunkCount,
  chunkPlace,
  createFileKey,
  fileOpener,
  fileSealer,
  safeFileName,
} from '../src/index.ts';
import { entropy, id } from './people.ts';

const chunkBytes = 64;

function shapeOf(totalBytes: number): FileShape {
  return { blob: id() as unknown as BlobId, key: createFileKey(entropy), chunkBytes, totalBytes };
}

function sealed(shape: FileShape, file: Uint8Array) {
  const sealer = fileSealer(shape);
  const chunks = Array.from({ length: chunkCount(shape) }, (_, index) => {
    const { fileOffset, fileBytes } = chunkPlace(shape, index);
    return sealer.seal(file.subarray(fileOffset, fileOffset + fileBytes));
  });
  return { chunks, ...sealer.finish() };
}

/** The file, or undefined where a chunk or the end does not hold. */
function opened(shape: FileShape, chunks: readonly Uint8Array[], announced: { root: Uint8Array; sha256: Uint8Array }) {
  const opener = fileOpener(shape);
  const parts: Uint8Array[] = [];
  for (const chunk of chunks) {
    const part = opener.open(chunk);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return opener.verify(announced) ? concatBytes(...parts) : undefined;
}

test('files of no byte, one byte, exact multiples of the chunk and one byte around them come back whole', () => {
  for (const size of [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes, 3 * chunkBytes + 1]) {
    const shape = shapeOf(size);
    const file = entropy(size);
    const blob = sealed(shape, file);
    assert.equal(blob.chunks.length, Math.max(1, Math.ceil(size / chunkBytes)));
    const total = blob.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    assert.equal(total, blobBytes(shape));
    assert.deepEqual(opened(shape, blob.chunks, blob), Uint8Array.from(file));
    assert.deepEqual(blob.sha256, sha256(file));
  }
});

test('chunks lie where chunkPlace says, in the file and in the blob', () => {
  const shape = shapeOf(3 * chunkBytes + 5);
  const blob = concatBytes(...sealed(shape, entropy(shape.totalBytes)).chunks);
  let end = 0;
  for (let index = 0; index < chunkCount(shape); index += 1) {
    const place = chunkPlace(shape, index);
    assert.equal(place.blobOffset, end);
    end += place.blobBytes;
  }
  assert.equal(end, blob.length);
});

test('sealing again gives the same bytes, so that an upload resumes', () => {
  const shape = shapeOf(200);
  const file = entropy(200);
  assert.deepEqual(sealed(shape, file), sealed(shape, file));
});

test('truncated, reordered, doubled and extended files are refused', () => {
  const shape = shapeOf(4 * chunkBytes);
  const blob = sealed(shape, entropy(shape.totalBytes));
  const [a, b, c, d] = blob.chunks as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const wrong = [[], [a], [a, b, c], [a, c, b, d], [b, a, c, d], [a, a, b, c], [a, b, c, d, d], [d, c, b, a]];
  for (const chunks of wrong) assert.equal(opened(shape, chunks, blob), undefined);
  assert.equal(opened(shape, [a, b, c, d.subarray(1)], blob), undefined);
  assert.equal(opened(shape, [a, b, c, concatBytes(d, Uint8Array.of(0))], blob), undefined);
});

test('a file announced shorter, longer, in other chunks, in another blob or under another key is refused', () => {
  const shape = shapeOf(4 * chunkBytes);
  const blob = sealed(shape, entropy(shape.totalBytes));
  const others: Partial<FileShape>[] = [
    { totalBytes: 3 * chunkBytes },
    { totalBytes: 5 * chunkBytes },
    { totalBytes: 4 * chunkBytes - 1 },
    { chunkBytes: 2 * chunkBytes },
    { blob: id() as unknown as BlobId },
    { key: entropy(32) },
  ];
  for (const other of others) assert.equal(opened({ ...shape, ...other }, blob.chunks, blob), undefined);
});

test('every byte of a chunk counts, and nothing is opened after a damaged one', () => {
  const shape = shapeOf(2 * chunkBytes);
  const { chunks } = sealed(shape, entropy(shape.totalBytes));
  const [first, second] = chunks as [Uint8Array, Uint8Array];
  for (let at = 0; at < first.length; at += 1) {
    const changed = first.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    const opener = fileOpener(shape);
    assert.equal(opener.open(changed), undefined);
    assert.equal(opener.open(first), undefined);
    assert.equal(opener.open(second), undefined);
  }
});

test('a root or hash other than the announced one is refused', () => {
  const shape = shapeOf(100);
  const { chunks, root, sha256: hash } = sealed(shape, entropy(100));
  assert.equal(opened(shape, chunks, { root: entropy(32), sha256: hash }), undefined);
  assert.equal(opened(shape, chunks, { root, sha256: entropy(32) }), undefined);
  assert.equal(opened(shape, chunks, { root, sha256: hash.subarray(1) }), undefined);
});

test('a sealer takes each chunk once, in order and of its size', () => {
  const shape = shapeOf(100);
  assert.throws(() => fileSealer(shape).seal(entropy(65)), { code: 'INTERNAL' });
  assert.throws(() => fileSealer(shape).finish(), { code: 'INTERNAL' });
  const sealer = fileSealer(shape);
  sealer.seal(entropy(64));
  sealer.seal(entropy(36));
  assert.throws(() => sealer.seal(new Uint8Array(0)), { code: 'INTERNAL' });
});

test('impossible shapes are MALFORMED, chunks of fileChunkBytesMax are not', () => {
  const shape = shapeOf(10);
  fileOpener({ ...shape, chunkBytes: defaultLimits.fileChunkBytesMax });
  for (const bad of [
    { chunkBytes: 0 },
    { chunkBytes: defaultLimits.fileChunkBytesMax + 1 },
    { chunkBytes: 1.5 },
    { totalBytes: -1 },
    { totalBytes: Number.NaN },
    { key: entropy(31) },
  ])
    assert.throws(() => fileOpener({ ...shape, ...bad }), { code: 'MALFORMED' });
});

// ---- names ----

test('a file name is one visible component that no system takes for something else', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['report.pdf', 'report.pdf'],
    ['Grüße aus Łódź.txt', 'Grüße aus Łódź.txt'],
    ['日本語.txt', '日本語.txt'],
    ['../../etc/passwd', 'passwd'],
    ['/etc/shadow', 'shadow'],
    ['..\\..\\windows\\system32\\x.dll', 'x.dll'],
    ['a/b\\c', 'c'],
    ['..', 'file'],
    ['.', 'file'],
    ['', 'file'],
    ['   ', 'file'],
    ['folder/', 'file'],
    ['.bashrc', 'bashrc'],
    ['...hidden', 'hidden'],
    ['name.', 'name'],
    ['name. . ', 'name'],
    ['a\u0000b', 'ab'],
    ['a\u001b[31mb', 'a[31mb'],
    ['a\nb\tc', 'abc'],
    ['evil\u202egnp.exe', 'evilgnp.exe'],
    ['zero\u200bwidth\ufeff', 'zerowidth'],
    ['line\u2028sep', 'linesep'],
    ['a:b*c?d"e<f>g|h', 'a_b_c_d_e_f_g_h'],
    ['con', '_con'],
    ['CON.txt', '_CON.txt'],
    ['nul.tar.gz', '_nul.tar.gz'],
    ['COM1', '_COM1'],
    ['com¹.log', '_com¹.log'],
    ['lpt9 .txt', '_lpt9 .txt'],
    ['conx', 'conx'],
    ['e\u0301.txt', 'é.txt'],
  ];
  for (const [name, safe] of cases) assert.equal(safeFileName(name), safe, JSON.stringify(name));
});

test('a name is cut to fileNameBytesMax bytes, between characters, with its short extension', () => {
  const bytes = (name: string): number => Buffer.byteLength(safeFileName(name));
  const atLimit = `${'a'.repeat(defaultLimits.fileNameBytesMax - 4)}.txt`;
  assert.equal(safeFileName(atLimit), atLimit);
  assert.equal(safeFileName(`a${atLimit}`), atLimit);
  assert.ok(safeFileName(`${'日'.repeat(500)}.jpeg`).endsWith('日.jpeg'));
  assert.ok(bytes(`${'日'.repeat(500)}.jpeg`) <= defaultLimits.fileNameBytesMax);
  assert.ok(bytes(`x.${'e'.repeat(500)}`) <= defaultLimits.fileNameBytesMax);
  assert.ok(bytes('👩‍👧'.repeat(100)) <= defaultLimits.fileNameBytesMax);
});

test('whatever the name, what is left of it is safe, and safe again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
      const safe = safeFileName(name);
      assert.ok(safe.length > 0 && Buffer.byteLength(safe) <= defaultLimits.fileNameBytesMax);
      assert.doesNotMatch(safe, /[/\\\p{Cc}\p{Cf}]|^\.|^\s|[.\s]$/u);
      assert.equal(safeFileName(safe), safe);
    }),
    { numRuns: 1000 },
  );
});
