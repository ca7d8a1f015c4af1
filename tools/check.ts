/**
 * `npm run check`: every rule that a compiler and a linter do not know. One line each; exit code 1 on any violation.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codes } from '../packages/wire/src/codes.ts';
import { limits } from '../packages/wire/src/limits.ts';
import { checkBans, checkNames, checkPlaces } from './bans.ts';
import { checkDoors } from './doors.ts';
import { checkLinks } from './links.ts';
import { checkLockfile, checkVersions } from './lockfile.ts';
import type { Dependencies, Lockfile } from './lockfile.ts';
import { checkProto } from './proto.ts';
import { checkPurity } from './purity.ts';
import { readSources, repositoryFiles } from './source.ts';
import type { Violation } from './source.ts';
import { checkSuccession } from './succession.ts';
import type { Manifest } from './succession.ts';
import { checkTables } from './tables.ts';

const root = join(import.meta.dirname, '..');
const paths = repositoryFiles(root);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const sources = readSources(root, paths);
const written = paths
  .filter((path) => /\.(ts|js|md|json|ya?ml|proto|sh)$/.test(path) && !/^(tools\/|package-lock)/.test(path))
  .map((path) => ({ path, text: read(path) }));
const manifests = paths.filter((path) => /(^|\/)package\.json$/.test(path));
const tables = { codes: Object.keys(codes), limits: Object.keys(limits) };

const checks: Readonly<Record<string, () => Violation[]>> = {
  succession: () => checkSuccession(sources, new Map(manifests.map(manifestOf))),
  purity: () => checkPurity(sources),
  doors: () => checkDoors(sources),
  bans: () => [...checkBans(sources), ...checkNames(paths), ...checkPlaces(written)],
  links: () =>
    checkLinks(
      written.filter(({ path }) => path.endsWith('.md')),
      paths,
    ),
  lockfile: () => [
    ...checkLockfile(JSON.parse(read('package-lock.json')) as Lockfile),
    ...manifests.flatMap((path) => checkVersions(path, JSON.parse(read(path)) as Dependencies)),
  ],
  generated: () => checkProto(root),
  tables: () => checkTables(sources, tables),
};

function manifestOf(path: string): [string, Manifest] {
  const manifest = JSON.parse(read(path)) as { name: string } & Record<string, Record<string, string> | undefined>;
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  const names = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  return [path.replace(/\/?package\.json$/, ''), { name: manifest.name, dependencies: names }];
}

for (const [name, check] of Object.entries(checks)) {
  const found = check();
  const verdict = found.length === 0 ? 'ok' : `${found.length} violations`;
  process.stdout.write(`${name.padEnd(11)} ${verdict}\n`);
  for (const { path, line, text } of found) process.stdout.write(`  ${path}:${line}  ${text}\n`);
  if (found.length > 0) process.exitCode = 1;
}
