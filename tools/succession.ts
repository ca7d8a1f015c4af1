/**
 * The succession rule: wire < crypto < mls | session | keylog < e2ee < client | server < sim | terminal | web | bench | torture.
 * A package imports only from its left, never a sibling, and only what its package.json declares. `tsc -b` does not
 * object to an undeclared workspace import, so this check is what holds the rule, and with it the promise that the
 * server cannot decrypt even by accident.
 */
import { posix } from 'node:path';
import type { Import, Source, Violation } from './source.ts';

const ranks: Readonly<Record<string, number>> = {
  wire: 0,
  crypto: 1,
  mls: 2,
  session: 2,
  keylog: 2,
  e2ee: 3,
  client: 4,
  server: 4,
  sim: 5,
  terminal: 5,
  web: 5,
  bench: 5,
  torture: 5,
};

/** Forbidden although it lies to the left, with the files and folders that may all the same. */
const forbidden: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  server: { mls: [], e2ee: [] },
  terminal: {
    // The sub-command, and what runs a server beside clients: the demo and the tests between real parts.
    server: [
      'apps/terminal/src/server-command.ts',
      'apps/terminal/src/copy-command.ts',
      'apps/terminal/src/doctor-command.ts',
      'apps/terminal/demo/',
      'apps/terminal/test/',
    ],
  },
  web: { server: [] },
  bench: { server: [] },
};

/** Rooms that run in a browser as they are: no node: module and no Buffer. */
const browserSafe = /^packages\/(wire|session|e2ee|mls|keylog)\/src\/|^packages\/client\/src\/core\//;
const browserSafeExceptions: readonly string[] = ['packages/mls/src/crypto/node-provider.ts'];

export interface Manifest {
  readonly name: string;
  readonly dependencies: readonly string[];
}

/** `manifests` by folder, as `packages/wire`; `''` is the root, whose dependencies tests and tools may use. */
export function checkSuccession(sources: readonly Source[], manifests: ReadonlyMap<string, Manifest>): Violation[] {
  const folders = new Map([...manifests].map(([folder, manifest]) => [manifest.name, folder]));
  const root = manifests.get('');
  const violations: Violation[] = [];
  for (const source of sources) {
    const folder = roomOf(source.path);
    const own = manifests.get(folder ?? '-');
    if (folder === undefined || own === undefined) continue;
    const isTest = !source.path.startsWith(`${folder}/src/`) && !source.path.startsWith(`${folder}/bin/`);
    for (const found of source.imports) {
      const say = (text: string): void => void violations.push({ path: source.path, line: found.line, text });
      if (found.specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(source.path), found.specifier);
        if (!target.startsWith(`${folder}/`)) say(`reaches out of its package: ${found.specifier}`);
        continue;
      }
      if (found.specifier.startsWith('node:')) {
        if (!isTest && browserSafe.test(source.path) && !browserSafeExceptions.includes(source.path)) {
          say(`${found.specifier} in a browser-safe room`);
        }
        continue;
      }
      const name = packageName(found);
      const declared = own.dependencies.includes(name) || (isTest && root?.dependencies.includes(name));
      if (!declared && name !== own.name) say(`${name} is not declared in ${folder}/package.json`);
      const target = folders.get(name);
      if (target !== undefined && target !== folder) checkRank(source.path, room(folder), room(target), say);
    }
  }
  return violations;
}

function checkRank(path: string, from: string, to: string, say: (text: string) => void): void {
  const [left, right] = [ranks[to], ranks[from]];
  if (left === undefined || right === undefined) return say(`${left === undefined ? to : from} has no rank yet`);
  if (left >= right) say(`${from} must not import ${to}: only to the left`);
  const exceptions = forbidden[from]?.[to];
  if (exceptions !== undefined && !exceptions.some((place) => path.startsWith(place)))
    say(`${from} must not import ${to} here`);
}

/** `packages/wire` of `packages/wire/src/ids.ts`. */
export function roomOf(path: string): string | undefined {
  return /^(?:packages|apps)\/[^/]+(?=\/)/.exec(path)?.[0];
}

/** The npm package of an import: `ts-mls` of `ts-mls/codec.js`, `@noble/curves` of `@noble/curves/ed25519.js`. */
export function packageName(found: Import): string {
  return found.specifier
    .split('/')
    .slice(0, found.specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function room(folder: string): string {
  return posix.basename(folder);
}
