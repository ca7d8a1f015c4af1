/** The generated codec is what its schema says: generated anew and compared, byte by byte. */
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Violation } from './source.ts';

/** Every package that has a schema. */
export function checkProto(root: string): Violation[] {
  return globSync('packages/*/buf.gen.yaml', { cwd: root }).flatMap((template) =>
    checkPackage(root, dirname(template)),
  );
}

function checkPackage(root: string, folder: string): Violation[] {
  const scratch = mkdtempSync(join(tmpdir(), 'securechat-proto-'));
  try {
    const bin = join(root, 'node_modules/.bin');
    execFileSync(
      join(bin, 'buf'),
      ['generate', `${folder}/proto`, '--template', `${folder}/buf.gen.yaml`, '--output', scratch],
      { cwd: root, env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` }, stdio: 'pipe' },
    );
    const generated = `${folder}/src/gen`;
    return compareFolders(join(scratch, generated), join(root, generated)).map((found) => ({
      ...found,
      path: `${generated}/${found.path}`,
    }));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** One violation for each file that is missing, left over or different in `committed`. */
export function compareFolders(generated: string, committed: string): Violation[] {
  const [wanted, found] = [filesOf(generated), filesOf(committed)];
  const paths = [...new Set([...wanted.keys(), ...found.keys()])].sort();
  return paths
    .filter((path) => wanted.get(path) !== found.get(path))
    .map((path) => {
      const what = !found.has(path) ? 'is missing' : !wanted.has(path) ? 'has no schema' : 'is out of date';
      return { path, line: 1, text: `${what}: npm run proto` };
    });
}

function filesOf(folder: string): Map<string, string> {
  const paths = globSync('**/*.ts', { cwd: folder });
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
}
