/** A document that points to a file or a heading that is not there, or names a path that is not, is no longer true. */
import { posix } from 'node:path';
import type { Violation } from './source.ts';

export interface Document {
  readonly path: string;
  readonly text: string;
}

/** A path from the root of the repository, in a code span. */
const NAMED_PATH = /`((?:apps|docs|packages|tools)\/[\w./-]+)`/g;

/**
 * Relative links of Markdown files, to files in `paths` and to headings in `documents`; and paths in their code spans.
 */
export function checkLinks(documents: readonly Document[], paths: readonly string[]): Violation[] {
  const known = new Set(paths.flatMap((path) => [path, ...foldersOf(path)]));
  const headings = new Map(documents.map(({ path, text }) => [path, headingsOf(text)]));
  const violations: Violation[] = [];
  for (const { path, text } of documents) {
    text.split('\n').forEach((content, index) => {
      for (const [, named = ''] of content.matchAll(NAMED_PATH))
        if (!known.has(named.replace(/\/$/, '')))
          violations.push({ path, line: index + 1, text: `${named}: there is no such file` });
    });
    withoutCode(text).forEach((content, index) => {
      for (const [, link = ''] of content.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        const [file = '', heading] = link.split('#');
        const target = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file)).replace(/\/$/, '');
        const missing = !known.has(target) ? 'there is no such file' : undefined;
        const lost = heading && headings.get(target)?.has(heading) === false ? 'there is no such heading' : undefined;
        const what = missing ?? lost;
        if (what !== undefined) violations.push({ path, line: index + 1, text: `${link}: ${what}` });
      }
    });
  }
  return violations;
}

function foldersOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** Anchors as code hosts make them: lower case, spaces to hyphens, everything else but letters and digits gone. */
function headingsOf(text: string): Set<string> {
  const titles = withoutCode(text).flatMap((line) => /^#{1,6} +(.+?) *$/.exec(line)?.[1] ?? []);
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Lines of the text, with fenced code and code spans emptied so that line numbers stay. */
function withoutCode(text: string): string[] {
  let fenced = false;
  return text.split('\n').map((line) => {
    const fence = /^\s*(```|~~~)/.test(line);
    if (fence) fenced = !fenced;
    return fence || fenced ? '' : line.replace(/`[^`]*`/g, '`code`');
  });
}
