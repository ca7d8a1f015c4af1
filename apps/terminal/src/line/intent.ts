/** What one line means. Grammar (first match):
 *
 *     line    := blank | " " literal | "!!" literal | "//" literal | ("!" | "/") name [" " rest] | "@" user [" " text] | text
 *
 * A literal is sent to the current peer as it stands: `!!x` sends `!x`, `//x` sends `/x`, a leading space is dropped.
 */
export type Intent =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'command'; readonly name: string; readonly rest: string }
  /** `text` is empty when only the peer is chosen. */
  | { readonly kind: 'direct'; readonly user: string; readonly text: string }
  | { readonly kind: 'group' }
  /** An @ that names nobody (`@ bob`, `@bob,hi`): meant for somebody, and certainly not for whoever is current. */
  | { readonly kind: 'unaddressed' }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string };

export function parseIntent(line: string): Intent {
  if (line.trim() === '') return { kind: 'nothing' };
  if (line.startsWith(' ')) return { kind: 'literal', text: line.slice(1) };
  if (line.startsWith('!!') || line.startsWith('//')) return { kind: 'literal', text: line.slice(1) };
  const command = /^[!/]([^\s]*)(?:\s+([\s\S]*))?$/.exec(line);
  if (command !== null) {
    return { kind: 'command', name: (command[1] ?? '').toLowerCase(), rest: (command[2] ?? '').trim() };
  }
  const direct = /^@([^\s:,]+)[:,]?(?:\s+([\s\S]*))?$/.exec(line);
  if (direct !== null) {
    const text = direct[2] ?? '';
    return { kind: 'direct', user: parseUser(direct[1] ?? ''), text: text.trim() === '' ? '' : text };
  }
  if (line.startsWith('@')) return { kind: 'unaddressed' };
  if (/^#[^\s#]+(\s|$)/.test(line)) return { kind: 'group' };
  return { kind: 'text', text: line };
}

/** `y`, `yes`, `n`, `no`; undefined for anything else. */
export function parseAnswer(line: string): boolean | undefined {
  const match = /^\s*(y|yes|n|no)\s*$/i.exec(line);
  return match === null ? undefined : (match[1] ?? '').toLowerCase().startsWith('y');
}

/** `bob`, `@Bob`, `@bob:` → `bob`. The client folds the rest; here one person must not look like two. */
export function parseUser(text: string): string {
  return text.replace(/^@/, '').replace(/[:,]$/, '').normalize('NFKC').toLowerCase();
}

/**
 * A path as people type, paste or complete it: quotes around the whole, `~/` for the home folder. Backslashes before
 * spaces and quotes (as terminals paste dropped files) are undone where the name as it stands does not exist.
 */
export function parsePath(text: string, home: string, exists: (path: string) => boolean): string {
  const quoted = /^(["'])([\s\S]*)\1$/.exec(text.trim());
  const plain = quoted?.[2] ?? text.trim();
  const expanded = plain === '~' ? home : plain.startsWith('~/') ? `${home}${plain.slice(1)}` : plain;
  if (quoted !== null || exists(expanded)) return expanded;
  const unescaped = expanded.replace(/\\([\s\\"'()&;$`!?*[\]{}<>|#])/g, '$1');
  return exists(unescaped) ? unescaped : expanded;
}
