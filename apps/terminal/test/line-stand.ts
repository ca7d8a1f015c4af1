/** The real line mode and the real pipe screen in front of a client whose answers the test writes. */
import { setImmediate as turn } from 'node:timers/promises';
import { SecureChatError } from '@securechat/client';
import type { Client, Code } from '@securechat/client';
import { runLineMode } from '../src/line/line-mode.ts';
import { pipeScreen } from '../src/line/pipe-screen.ts';
import type { LineOptions } from '../src/line/session.ts';
import { scriptedClient } from './scripted-client.ts';
import type { Scripted } from './scripted-client.ts';
import { lineOptions } from './line-options.ts';

/** Lines, and things that happen between them. */
type Step = string | ((scripted: Scripted) => void);

/** What a pipe that says this is answered. */
export async function converse(
  steps: readonly Step[],
  { overrides = {}, ...more }: Partial<LineOptions> & { overrides?: Partial<Client> } = {},
): Promise<{ output: string; code: number; scripted: Scripted }> {
  const scripted = scriptedClient(overrides);
  let output = '';
  async function* input(): AsyncGenerator<Uint8Array> {
    for (const step of steps) {
      if (typeof step === 'string') yield Buffer.from(`${step}\n`);
      else {
        // Events come while nothing is being done.
        for (let turns = 0; turns < 5; turns++) await turn();
        step(scripted);
        for (let turns = 0; turns < 5; turns++) await turn();
      }
    }
  }
  const screen = pipeScreen({ input: input(), write: (text) => (output += text) });
  const code = await runLineMode(scripted.client, screen, { ...lineOptions, qr: () => 'QR', ...more });
  return { output, code, scripted };
}

export const login = ['!login', 'alice', 'correct horse'] as const;
export const refusing = (code: Code) => () => Promise.reject(new SecureChatError(code));
