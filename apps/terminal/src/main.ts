import { run } from './command.ts';

/** The `securechat` command. Resolves with its exit code; never rejects. */
export function main(argv: readonly string[]): Promise<number> {
  if (!process.stdout.listeners('error').includes(passClosedPipe)) process.stdout.on('error', passClosedPipe);
  return run(argv);
}

/** `securechat doctor | head -1`: who reads has enough, and what else is printed goes nowhere. */
function passClosedPipe(error: Error): void {
  if (!('code' in error) || error.code !== 'EPIPE') throw error;
}
