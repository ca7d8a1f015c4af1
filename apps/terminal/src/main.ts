import { run } from './command.ts';

/** The `securechat` command. Resolves with its exit code; never rejects. */
export function main(argv: readonly string[]): Promise<number> {
  return run(argv);
}
