/** Real processes for tests: a server, line mode over pipes, RPC. Everything lies in one temporary folder. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './ports.ts';

export const command = join(import.meta.dirname, '../bin/securechat.js');
/** What a process needs of this one's environment: where programs are, and where code compiled before lies. */
export const surroundings: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '',
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
};
/** Two cores may be shared with everything else that is tested. */
const PATIENCE_MS = 60_000;
/** To register, with all its stretching of passwords, takes a busy machine longer than strangers are given. */
export const LONG_AUTH_DEADLINE = 'authDeadlineMs=60000';

export interface Folder {
  readonly path: string;
  /** Ends what was started in it, and removes it. */
  remove(): Promise<void>;
  readonly children: Set<ChildProcessWithoutNullStreams>;
}

export function makeFolder(name: string): Folder {
  const path = mkdtempSync(join(tmpdir(), `securechat-${name}-`));
  const children = new Set<ChildProcessWithoutNullStreams>();
  return {
    path,
    children,
    remove: async () => {
      const ending = [...children].map((child) => once(child, 'close'));
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(ending);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything printed so far. */
  readonly printed: { out: string; err: string };
  readonly exit: Promise<number | null>;
}

export interface Start {
  /** SECURECHAT_HOME inside the folder. */
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function start(folder: Folder, args: readonly string[], { home, env = {} }: Start): Started {
  const child = spawn(process.execPath, [command, ...args], {
    env: {
      ...surroundings,
      HOME: folder.path,
      SECURECHAT_HOME: join(folder.path, home),
      SECURECHAT_RSA_BITS: '2048',
      ...env,
    },
  });
  folder.children.add(child);
  const printed = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed.err += text));
  child.stdin.on('error', () => undefined);
  const exit = once(child, 'close').then(([code]) => {
    folder.children.delete(child);
    return code as number | null;
  });
  return { child, printed, exit };
}

export interface RunningServer extends Started {
  readonly ws: string;
  readonly tcp: string;
  readonly fingerprint: string;
  readonly invite: string;
  readonly data: string;
  end(): Promise<number | null>;
}

export async function startServer(folder: Folder, flags: readonly string[] = []): Promise<RunningServer> {
  const place = async () => `127.0.0.1:${await freePort()}`;
  const anywhere = flags.includes('--listen') ? [] : ['--listen', await place(), '--listen-tcp', await place()];
  const patient = flags.some((flag) => flag.startsWith('authDeadlineMs=')) ? [] : ['--limit', LONG_AUTH_DEADLINE];
  const started = start(folder, ['server', '--json', ...anywhere, ...patient, ...flags], { home: 'operator' });
  const line = await firstLine(started);
  const ready = JSON.parse(line) as { event: string; http: string; tcp: string; fingerprint: string; invite?: string };
  assert.equal(ready.event, 'ready');
  return {
    ...started,
    ws: `${ready.http.replace(/^http/, 'ws')}#${ready.fingerprint}`,
    tcp: `${ready.tcp}#${ready.fingerprint}`,
    fingerprint: ready.fingerprint,
    invite: ready.invite ?? '',
    data: join(folder.path, 'operator', 'server'),
    end: async () => {
      started.child.kill('SIGTERM');
      return started.exit;
    },
  };
}

async function firstLine({ child, printed }: Started): Promise<string> {
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'close').then(() => {
    throw new Error(`ended before its first line: ${printed.err}`);
  });
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
  void ended.catch(() => undefined);
  return line;
}

export interface Chat extends Started {
  say(...lines: readonly string[]): void;
  /** The output from the last match on, once it matches. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  /** Ends the input; the exit code. */
  end(): Promise<number | null>;
}

/** Line mode over pipes. `until` looks only at what came after its last match. */
export function startChat(folder: Folder, args: readonly string[], options: Start): Chat {
  const started = start(folder, args, options);
  let read = 0;
  return {
    ...started,
    say: (...lines) => void started.child.stdin.write(lines.map((line) => `${line}\n`).join('')),
    until: async (pattern) => {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const found = pattern.exec(started.printed.out.slice(read));
        if (found !== null) {
          read += found.index + found[0].length;
          return found;
        }
        if (performance.now() > deadline || started.child.exitCode !== null) {
          throw new Error(`never ${pattern} in:\n${started.printed.out.slice(read)}\n${started.printed.err}`);
        }
        await sleep(20);
      }
    },
    end: () => {
      started.child.stdin.end();
      return started.exit;
    },
  };
}

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data: { readonly code: string };
}
export interface Notified {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export interface Rpc extends Started {
  /** Rejects with the error's `data.code` as the message. */
  call(method: string, params?: object): Promise<Readonly<Record<string, unknown>>>;
  /** The first notification not yet taken that fits. */
  told(method: string, fits?: (params: Readonly<Record<string, unknown>>) => boolean): Promise<Notified['params']>;
  end(): Promise<number | null>;
}

export function startRpc(folder: Folder, server: string, options: Start, args: readonly string[] = []): Rpc {
  const started = start(folder, ['rpc', '--server', server, ...args], options);
  const waiting = new Map<number, PromiseWithResolvers<Readonly<Record<string, unknown>>>>();
  const notifications: Notified[] = [];
  let last = 0;
  createInterface({ input: started.child.stdout }).on('line', (line) => {
    const { id, method, params, result, error } = JSON.parse(line) as {
      id?: number;
      method?: string;
      params?: Readonly<Record<string, unknown>>;
      result?: Readonly<Record<string, unknown>>;
      error?: RpcError;
    };
    if (method !== undefined) return void notifications.push({ method, params: params ?? {} });
    const request = waiting.get(id ?? 0);
    waiting.delete(id ?? 0);
    if (error === undefined) request?.resolve(result ?? {});
    else request?.reject(new Error(error.data.code));
  });
  const unanswered = (): void => {
    for (const request of waiting.values())
      request.reject(new Error(`ended without an answer: ${started.printed.err}`));
  };
  void started.exit.then(unanswered);
  return {
    ...started,
    call: (method, params) => {
      const request = Promise.withResolvers<Readonly<Record<string, unknown>>>();
      // Whoever does not wait for an answer does not mind that none comes.
      request.promise.catch(() => undefined);
      waiting.set(++last, request);
      if (!folder.children.has(started.child)) unanswered();
      started.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: last, method, params })}\n`);
      return request.promise;
    },
    told: async (method, fits = () => true) => {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const index = notifications.findIndex((one) => one.method === method && fits(one.params));
        if (index >= 0) return notifications.splice(index, 1)[0]?.params ?? {};
        if (performance.now() > deadline) {
          throw new Error(`never told ${method}; but ${JSON.stringify(notifications)}\n${started.printed.err}`);
        }
        await sleep(20);
      }
    },
    end: () => {
      started.child.stdin.end();
      return started.exit;
    },
  };
}
