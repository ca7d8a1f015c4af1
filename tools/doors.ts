/**
 * Third-party code and primitives enter by one door each, so that a fault or a change of theirs is dealt with in one
 * file. A door is counted per package; which package may have one at all is what its package.json declares.
 */
import { packageName, roomOf } from './succession.ts';
import { globalUses } from './source.ts';
import type { Source, Violation } from './source.ts';

/** More than one door, with the reason. */
const wideDoors: Readonly<Record<string, { readonly files: readonly string[]; readonly reason: string }>> = {};

/** Primitives belong to crypto, so that one package is read by whoever reviews them. */
const cryptoRoom = /^packages\/crypto\/src\//;

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
    const listed = wideDoors[door]?.files ?? [];
    const unlisted = [...files].filter(([path]) => !listed.includes(path));
    const spare = listed.length > 0 ? unlisted : unlisted.slice(1);
    const [first] = files.keys();
    for (const [path, line] of spare) {
      violations.push({ path, line, text: `a second door for ${door.split(' ')[1]}: it has ${first}` });
    }
  }
  return violations;
}
