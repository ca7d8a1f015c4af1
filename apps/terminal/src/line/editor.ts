import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecureChatError } from '@securechat/client';

/** Opens a text in the person's editor; resolves with what they saved. */
export type Editor = (text: string) => Promise<string>;

/** A text of 64 KiB, with room for the editor's line ends. */
const FILE_BYTES_MAX = 128 * 1024;

/**
 * `$VISUAL`, then `$EDITOR`, then vi. The file lies in a folder of the user alone (0700) under a name that says nothing,
 * is overwritten before it is removed, and the folder goes with whatever else the editor left there. On a journalling or
 * copy-on-write disk overwriting is best effort: TMPDIR on a memory file system is the sure way.
 */
export function systemEditor(env: NodeJS.ProcessEnv): Editor {
  return async (text) => {
    const folder = await mkdtemp(join(env['XDG_RUNTIME_DIR'] ?? tmpdir(), 'securechat-'));
    const file = join(folder, 'message.txt');
    try {
      await writeFile(file, text, { mode: 0o600 });
      await runEditor(
        [env['VISUAL'], env['EDITOR']].find((command) => command !== undefined && command.trim() !== '') ?? 'vi',
        file,
      );
      const written = await readFile(file, 'utf8');
      if (Buffer.byteLength(written) > FILE_BYTES_MAX) throw new SecureChatError('TEXT_TOO_LONG');
      return written;
    } finally {
      await shred(file);
      await rm(folder, { recursive: true, force: true });
    }
  };
}

/** By the shell, as every program does it: EDITOR may hold arguments (`code --wait`). The path is an argument of its own. */
async function runEditor(command: string, file: string): Promise<void> {
  const child = spawn('/bin/sh', ['-c', `${command} "$1"`, 'sh', file], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new SecureChatError('USAGE', { text: 'The editor failed. Nothing was sent. See $EDITOR.' });
}

async function shred(file: string): Promise<void> {
  try {
    const handle = await open(file, 'r+');
    try {
      const { size } = await handle.stat();
      await handle.write(Buffer.alloc(size), 0, size, 0);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Already gone, or never written.
  }
}
