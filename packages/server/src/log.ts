/**
 * The log: JSON lines with codes, counts and durations. Never a name, an id, an address, a key or content: the functions
 * take nothing that could hold one. `error` means a bug of ours or a broken machine.
 */
import { pino } from 'pino';
import type { Code } from '@securechat/wire';
import type { LogLevel } from './config-rows.ts';

/** What a line may say beside its event. */
export interface LogFacts {
  readonly code?: Code | undefined;
  readonly reason?: string | undefined;
  readonly request?: string | undefined;
  readonly transport?: 'ws' | 'tcp' | undefined;
  readonly count?: number | undefined;
  readonly ms?: number | undefined;
  readonly mebibytes?: number | undefined;
  readonly signal?: string | undefined;
  /** For `error` lines: the stack of an unexpected failure. Our own messages never carry data of people. */
  readonly cause?: unknown;
}

export interface Log {
  debug(event: string, facts?: LogFacts): void;
  info(event: string, facts?: LogFacts): void;
  warn(event: string, facts?: LogFacts): void;
  error(event: string, facts?: LogFacts): void;
}

/** Where lines go; standard error unless a test wants to read them. */
export interface LogSink {
  write(line: string): void;
}

export function createLog(level: LogLevel, sink: LogSink = process.stderr): Log {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, sink);
  const at =
    (name: Exclude<LogLevel, 'silent'>) =>
    (event: string, { cause, ...facts }: LogFacts = {}): void => {
      logger[name]({ event, ...facts, ...(cause !== undefined && { cause: causeText(cause) }) });
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Class, code and stack frames. The message is left out: one of a library may quote its input. */
function causeText(cause: unknown): string {
  if (!(cause instanceof Error)) return typeof cause;
  const code = (cause as { readonly code?: unknown }).code;
  const frames = (cause.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const own = `${cause.name}${typeof code === 'string' ? ` ${code}` : ''} ${frames
    .slice(0, 6)
    .map((line) => line.trim())
    .join(' | ')}`;
  return cause.cause === undefined ? own : `${own} <- ${causeText(cause.cause)}`;
}
