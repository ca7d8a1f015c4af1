/** A look at a server's data folder from outside: what an operator, a thief or a court would find. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Every table with its rows and the bytes in them. */
export function tablesOf(
  data: string,
): readonly { readonly name: string; readonly rows: number; readonly bytes: number }[] {
  const database = new DatabaseSync(join(data, 'securechat.db'), { readOnly: true });
  try {
    const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    return names.map((row) => {
      const name = String(row['name']);
      const columns = database.prepare(`SELECT name FROM pragma_table_info('${name}')`).all();
      const sizes = columns.map((column) => `coalesce(sum(length("${String(column['name'])}")), 0)`).join(' + ');
      const counted = database.prepare(`SELECT count(*) AS rows, ${sizes} AS bytes FROM "${name}"`).get();
      return { name, rows: Number(counted?.['rows']), bytes: Number(counted?.['bytes']) };
    });
  } finally {
    database.close();
  }
}

/** The files of the folder, and the first bytes of the newest message body in hexadecimal. */
export function filesOf(data: string): {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly excerpt: readonly string[];
} {
  const files = allFiles(data).map((path) => ({ name: path.slice(data.length + 1), bytes: readFileSync(path).length }));
  return { files, excerpt: hexadecimal(newestBody(data).subarray(0, 64)) };
}

/** How often each text occurs in any file, in any form that a careless program might have written. */
export function findWords(
  data: string,
  words: readonly string[],
): readonly { readonly word: string; readonly hits: number }[] {
  const contents = allFiles(data).map((path) => readFileSync(path));
  return words.map((word) => {
    const forms = [Buffer.from(word), Buffer.from(word, 'utf16le'), ...encoded(word)];
    const hits = contents.reduce((sum, content) => sum + forms.filter((form) => content.includes(form)).length, 0);
    return { word, hits };
  });
}

/** Base64 differs with the offset in its three bytes: the part that is the same wherever it stands, for each. */
function encoded(word: string): readonly Buffer[] {
  const bytes = Buffer.from(word);
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    return text.slice(Math.ceil((offset * 8) / 6), bytes.length + offset < 6 ? undefined : -2);
  });
  const long = base64.filter((text) => text.length >= 8);
  const forms = [bytes.toString('hex'), ...long, ...long.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'))];
  return forms.map((form) => Buffer.from(form));
}

function newestBody(data: string): Uint8Array {
  const database = new DatabaseSync(join(data, 'securechat.db'), { readOnly: true });
  try {
    const row = database.prepare('SELECT * FROM body ORDER BY rowid DESC LIMIT 1').get();
    const blobs = Object.values(row ?? {}).filter((value) => value instanceof Uint8Array);
    return blobs.reduce((longest, blob) => (blob.length > longest.length ? blob : longest), new Uint8Array(0));
  } finally {
    database.close();
  }
}

function hexadecimal(bytes: Uint8Array): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push(
      Buffer.from(bytes.subarray(at, at + 16))
        .toString('hex')
        .replace(/../g, '$& ')
        .trim(),
    );
  }
  return lines;
}

function allFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
