/** Runs commands one after the other, as processes of their own would, with the program loaded once. */
import { main } from '../src/main.ts';
import type { Asked } from './commands.ts';

process.on('message', ({ args, env }: Asked) => {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  const printed = { out: '', err: '' };
  process.stdout.write = (text: string) => ((printed.out += text), true);
  process.stderr.write = (text: string) => ((printed.err += text), true);
  void main(args).then((code) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.removeAllListeners(signal);
    process.send?.({ ...printed, code });
  });
});
