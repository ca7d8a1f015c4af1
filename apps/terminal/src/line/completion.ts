import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What Tab offers: `candidates` replace the text from `start` to the cursor. */
export interface Completion {
  readonly start: number;
  readonly candidates: readonly string[];
}

export interface CompletionSources {
  readonly commands: readonly string[];
  readonly users: () => Promise<readonly string[]>;
  readonly home: string;
}

/** More would not help anybody, and a folder can hold millions. */
const CANDIDATES_MAX = 200;
const withUser = new Set(['who', 'block', 'unblock', 'verify', 'history', 'edit', 'accept', 'decline']);

/** Commands, users, and paths of `!file`. A candidate that is complete ends with a space, a folder with a slash. */
export async function complete(before: string, sources: CompletionSources): Promise<Completion> {
  const command = /^([!/])(\S*)$/.exec(before);
  if (command !== null) {
    const candidates = sources.commands.map((name) => `${command[1] ?? '!'}${name} `);
    return { start: 0, candidates: startingWith(before, candidates) };
  }
  const direct = /^@(\S*)$/.exec(before);
  if (direct !== null) {
    const users = (await sources.users()).map((user) => `@${user} `);
    return { start: 0, candidates: startingWith(before, users) };
  }
  const file = /^[!/]file\s+\S+\s+(?=([\s\S]*)$)/.exec(before);
  if (file !== null) return completePath(file[1] ?? '', file[0].length, sources.home);
  const argument = /^[!/](\S+)\s+(@?)(\S*)$/.exec(before);
  const name = argument?.[1] ?? '';
  const start = before.length - (argument?.[3] ?? '').length;
  if (name === 'help') {
    const commands = sources.commands.map((other) => `${other} `);
    return { start, candidates: startingWith(before.slice(start), commands) };
  }
  if (name === 'file' || withUser.has(name)) {
    const users = (await sources.users()).map((user) => `${user} `);
    return { start, candidates: startingWith(before.slice(start), users) };
  }
  return { start: before.length, candidates: [] };
}

/** The path is the rest of the line, spaces included, so that nothing has to be escaped; a quote in front is closed. */
async function completePath(typed: string, offset: number, home: string): Promise<Completion> {
  const quote = /^["']/.exec(typed)?.[0] ?? '';
  const path = typed.slice(quote.length);
  if (path === '~') return { start: offset, candidates: [`${quote}~/`] };
  const slash = path.lastIndexOf('/') + 1;
  const folder = path.slice(0, slash);
  const beginning = path.slice(slash);
  const place = folder.startsWith('~/') ? join(home, folder.slice(2)) : folder === '' ? '.' : folder;
  const entries = await readdir(place, { withFileTypes: true }).catch(() => []);
  const candidates = entries
    // oxlint-disable-next-line no-control-regex
    .filter(({ name }) => name.startsWith(beginning) && !/[\u0000-\u001f\u007f-\u009f]/.test(name))
    .filter(({ name }) => beginning !== '' || !name.startsWith('.'))
    .map((entry) => `${entry.name}${entry.isDirectory() ? '/' : quote}`)
    .sort()
    .slice(0, CANDIDATES_MAX);
  return { start: offset + quote.length + slash, candidates };
}

function startingWith(typed: string, candidates: readonly string[]): string[] {
  const wanted = typed.toLowerCase();
  return candidates.filter((candidate) => candidate.toLowerCase().startsWith(wanted)).slice(0, CANDIDATES_MAX);
}

/** The longest beginning that all share. */
export function commonBeginning(candidates: readonly string[]): string {
  const [first = '', ...others] = candidates;
  let length = first.length;
  for (const other of others) {
    while (!other.startsWith(first.slice(0, length))) length--;
  }
  return first.slice(0, length).replace(/[\ud800-\udbff]$/, '');
}
