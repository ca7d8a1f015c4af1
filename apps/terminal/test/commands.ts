/** Commands that end by themselves, run in one process: for the many that are refused. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { surroundings } from './processes.ts';

export interface Asked {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

export interface Commands {
  /** Waits for its end; nothing else may run meanwhile. Its standard input is empty. */
  run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran>;
  close(): void;
}

export function openCommands(): Commands {
  const host = fork(join(import.meta.dirname, 'command-host.ts'), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...surroundings },
  });
  const ended = once(host, 'exit').then(() => ({ out: '', err: 'the host has ended', code: null }));
  return {
    run: async (args, env) => {
      const answer = once(host, 'message') as Promise<[Ran]>;
      host.send({ args, env: { ...surroundings, ...env } } satisfies Asked);
      return Promise.race([answer.then(([ran]) => ran), ended]);
    },
    close: () => void host.kill('SIGKILL'),
  };
}
