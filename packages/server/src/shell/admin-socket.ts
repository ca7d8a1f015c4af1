/** The socket in the data folder by which `securechat admin` reaches a running server. Only the owner can open it. */
import { chmodSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { SecureChatError } from '@securechat/wire';
import type { AdminParts, AdminRequest } from '../admin.ts';
import { runAdmin } from '../admin.ts';
import type { Log } from '../log.ts';

const REQUEST_BYTES_MAX = 4096;
const REQUEST_MS = 5000;

/**
 * Undefined where the system cannot make the socket (a path too long for it): `securechat admin` then works on the folder
 * of a stopped server only. The caller holds the lock of the folder, so a socket that is there is left over.
 */
export async function openAdminSocket(path: string, parts: AdminParts, log: Log): Promise<Server | undefined> {
  rmSync(path, { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => void answer(socket, parts, log));
  server.maxConnections = 8;
  // The folder is 0700 already; the mask closes the moment before chmod as well.
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    if (process.platform !== 'win32') chmodSync(path, 0o600);
    return server;
  } catch (cause) {
    log.warn('no admin socket', { cause });
    return undefined;
  } finally {
    process.umask(mask);
  }
}

async function answer(socket: Socket, parts: AdminParts, log: Log): Promise<void> {
  socket.on('error', () => undefined);
  socket.setTimeout(REQUEST_MS, () => socket.destroy());
  try {
    const result = await runAdmin(parse(await readAll(socket)), parts);
    socket.end(`${JSON.stringify({ result })}\n`);
  } catch (error) {
    if (!(error instanceof SecureChatError)) log.error('admin failed', { cause: error });
    const code = error instanceof SecureChatError ? error.code : 'INTERNAL';
    const text = error instanceof SecureChatError ? error.detail.text : undefined;
    socket.end(`${JSON.stringify({ code, ...(text !== undefined && { text }) })}\n`);
  }
}

async function readAll(socket: Socket): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  // Reading to the end must not close the half that answers.
  for await (const piece of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > REQUEST_BYTES_MAX) throw new SecureChatError('TOO_LARGE');
  }
  return Buffer.concat(pieces).toString('utf8');
}

function parse(text: string): AdminRequest {
  let raw: {
    readonly command?: unknown;
    readonly uses?: unknown;
    readonly hours?: unknown;
    readonly username?: unknown;
  };
  try {
    raw = JSON.parse(text) as typeof raw;
  } catch (cause) {
    throw new SecureChatError('MALFORMED', {}, { cause });
  }
  const { command, uses, hours, username } = raw ?? {};
  if (command === 'invite' && typeof uses === 'number' && typeof hours === 'number') return { command, uses, hours };
  if (command === 'users') return { command };
  if ((command === 'disable' || command === 'enable') && typeof username === 'string') return { command, username };
  throw new SecureChatError('MALFORMED');
}
