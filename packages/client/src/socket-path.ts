/**
 * Where the local socket of an account lies: in its folder, or, where that path is too long for the system (107 bytes on
 * Linux, 103 on macOS), in a folder of the owner under the temporary folder.
 */
import { lstatSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { sha256 } from '@securechat/crypto';
import { SecureChatError } from '@securechat/wire';
import { makePrivateFolder } from './stores/sqlite/private-file.ts';

const SOCKET_PATH_BYTES_MAX = 103;

/** The path to connect to; undefined where the folder around it belongs to somebody else. */
export function socketPath(folder: string): string | undefined {
  const { path, around } = place(folder);
  return around === undefined || isOurs(around) ? path : undefined;
}

/** The same for whoever listens; makes the folder around it. PROFILE_UNWRITABLE when somebody else has made it. */
export function socketPathForListening(folder: string): string {
  const { path, around } = place(folder);
  if (around !== undefined) {
    makeFolder(around);
    if (!isOurs(around))
      throw new SecureChatError('PROFILE_UNWRITABLE', {
        text: 'The folder for the local socket belongs to another user.',
      });
  }
  return path;
}

/** After listening: the folder that was made for the socket, if there was one. */
export function removeSocketFolder(folder: string): void {
  const { around } = place(folder);
  if (around !== undefined && isOurs(around)) rmSync(around, { recursive: true, force: true });
}

function place(folder: string): { readonly path: string; readonly around: string | undefined } {
  const hash = Buffer.from(sha256(new TextEncoder().encode(resolve(folder))).subarray(0, 8)).toString('hex');
  if (process.platform === 'win32') return { path: `\\\\.\\pipe\\securechat-${hash}`, around: undefined };
  const path = join(resolve(folder), 'sock');
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return { path, around: undefined };
  const around = join(tmpdir(), `securechat-${process.getuid?.() ?? 0}-${hash}`);
  return { path: join(around, 's'), around };
}

function makeFolder(path: string): void {
  try {
    makePrivateFolder(path);
  } catch {
    // Not ours to change; `isOurs` says so.
  }
}

/** Anybody may make a folder in the temporary one, so it is looked at before it is used. */
function isOurs(path: string): boolean {
  try {
    const found = lstatSync(path);
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
  } catch {
    return false;
  }
}
