/** Real processes of the `securechat` command: started, spoken to, killed. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

const command = join(import.meta.dirname, '../../terminal/bin/securechat.js');

export interface Started {
  readonly child: ChildProcess;
  readonly errors: () => string;
  readonly exit: Promise<number | null>;
  /** kill -9, of what it started as well; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface StartOptions {
  readonly home: string;
  /** What runs it, as `strace …`; the process itself otherwise. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export function start(args: readonly string[], { home, under = [], env = {} }: StartOptions): Started {
  const [program = process.execPath, ...rest] = [...under, process.execPath, command, ...args];
  // A group of its own: a tracer that is killed leaves its child behind otherwise.
  const child = spawn(program, rest, {
    detached: true,
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      HOME: home,
      SECURECHAT_HOME: home,
      SECURECHAT_RSA_BITS: '2048',
      ...env,
    },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)));
  child.stdin.on('error', () => undefined);
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    errors: () => errors,
    exit,
    kill: async () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid, 'SIGKILL');
      await exit;
    },
  };
}

export interface RunningServer extends Started {
  /** host:port of the WebSocket listener. */
  readonly http: string;
  readonly tcp: string;
  readonly fingerprint: string;
  readonly invite: string;
}

/** Rejects when it ends before it is ready. */
export async function startServer(flags: readonly string[], options: StartOptions): Promise<RunningServer> {
  const started = start(['server', '--json', ...flags], options);
  const output = started.child.stdout;
  if (output === null) throw new Error('no output');
  const ended = started.exit.then((code) => {
    throw new Error(`the server ended with ${code}: ${started.errors()}`);
  });
  const [line] = (await Promise.race([once(createInterface({ input: output }), 'line'), ended])) as [string];
  void ended.catch(() => undefined);
  const ready = JSON.parse(line) as { http: string; tcp: string; fingerprint: string; invite?: string };
  return {
    ...started,
    http: new URL(ready.http).host,
    tcp: ready.tcp.replace(/^\w+:\/\//, ''),
    fingerprint: ready.fingerprint,
    invite: ready.invite ?? '',
  };
}

export type Params = Readonly<globalThis.Record<string, unknown>>;

export interface Rpc extends Started {
  /** Rejects with the code as message; `GONE` when the process ended over it. */
  call(method: string, params?: object): Promise<Params>;
}

export function startRpc(
  server: string,
  options: StartOptions & { readonly onTold: (method: string, params: Params) => void },
): Rpc {
  const started = start(['rpc', '--server', server], options);
  const waiting = new Map<number, PromiseWithResolvers<Params>>();
  let last = 0;
  if (started.child.stdout !== null)
    createInterface({ input: started.child.stdout }).on('line', (line) => {
      const heard = JSON.parse(line) as {
        readonly id?: number;
        readonly method?: string;
        readonly params?: Params;
        readonly result?: Params;
        readonly error?: { readonly data: { readonly code: string } };
      };
      if (heard.method !== undefined) return options.onTold(heard.method, heard.params ?? {});
      const request = waiting.get(heard.id ?? 0);
      waiting.delete(heard.id ?? 0);
      if (heard.error === undefined) request?.resolve(heard.result ?? {});
      else request?.reject(new Error(heard.error.data.code));
    });
  void started.exit.then(() => {
    for (const request of waiting.values()) request.reject(new Error('GONE'));
    waiting.clear();
  });
  return {
    ...started,
    call: (method, params) => {
      const request = Promise.withResolvers<Params>();
      if (started.child.exitCode !== null || started.child.signalCode !== null) request.reject(new Error('GONE'));
      else {
        waiting.set(++last, request);
        started.child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id: last, method, params })}\n`);
      }
      return request.promise;
    },
  };
}
