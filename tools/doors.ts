/**
 * Third-party code and primitives enter by one door each, so that a fault or a change of theirs is dealt with in one
 * file. A door is counted per package; which package may have one at all is what its package.json declares.
 */
import { packageName, roomOf } from './succession.ts';
import { globalUses } from './source.ts';
import type { Source, Violation } from './source.ts';

/** Doors that are a folder rather than a file, or a few files by their common beginning; with the reason. */
const wideDoors: Readonly<Record<string, { readonly within: string; readonly reason: string }>> = {
  'packages/server node:sqlite': {
    within: 'packages/server/src/stores/sqlite/',
    reason: 'one driver, a file per table',
  },
  'packages/sim node:sqlite': { within: 'packages/sim/src/', reason: 'disks that fail, under both drivers' },
  'packages/client node:sqlite': { within: 'packages/client/src/stores/sqlite/', reason: 'one driver' },
  'apps/bench ts-mls': { within: 'apps/bench/src/mls/ts-mls-', reason: 'the oracle, and what it is given' },
  'apps/bench ws': { within: 'apps/bench/src/relay', reason: 'the bare relay, and the load on it' },
};

/** Primitives belong to crypto, so that one package is read by whoever reviews them; mls stands alone and has its own, and the world of the simulator waits for the thread pool. */
const cryptoRoom = /^packages\/(?:crypto\/src\/|mls\/src\/crypto\/|sim\/src\/world\.ts$)/;

export function checkDoors(sources: readonly Source[]): Violation[] {
  const doors = new Map<string, Map<string, number>>();
  const violations: Violation[] = [];
  for (const source of sources) {
    const folder = roomOf(source.path);
    if (folder === undefined || !source.path.startsWith(`${folder}/src/`)) continue;
    for (const found of source.imports) {
      if (/^(\.|@securechat\/|securechat$)/.test(found.specifier)) continue;
      if (/^node:(crypto|webcrypto)$/.test(found.specifier) && !cryptoRoom.test(source.path)) {
        violations.push({ path: source.path, line: found.line, text: 'node:crypto outside packages/crypto' });
      }
      if (found.specifier.startsWith('node:') && found.specifier !== 'node:sqlite') continue;
      const door = `${folder} ${packageName(found)}`;
      const files = doors.get(door) ?? new Map<string, number>();
      doors.set(door, files.set(source.path, files.get(source.path) ?? found.line));
    }
    for (const use of globalUses(source)) {
      if (/^crypto\./.test(use.name) && !cryptoRoom.test(source.path)) {
        violations.push({ path: source.path, line: use.line, text: `${use.name} outside packages/crypto` });
      }
    }
  }
  for (const [door, files] of doors) {
    const wide = wideDoors[door];
    const spare = wide ? [...files].filter(([path]) => !path.startsWith(wide.within)) : [...files].slice(1);
    const first = wide?.within ?? [...files.keys()][0];
    for (const [path, line] of spare) {
      violations.push({ path, line, text: `a second door for ${door.split(' ')[1]}: it has ${first}` });
    }
  }
  return violations;
}
