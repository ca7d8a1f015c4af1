/** A worker of sweep.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { mlsEngine } from '@securechat/e2ee';
import type { Keys } from './people.ts';
import { giveKeys } from './people.ts';
import { planOf } from './plan.ts';
import { bugs } from './planted.ts';
import { simulate } from './simulate.ts';
import type { Task, TaskResult } from './sweep.ts';

giveKeys(workerData as Keys);
parentPort?.on('message', async ({ seed, steps, bug, engine }: Task) => {
  const planted = bugs.find(({ name }) => name === bug);
  const { violations, messages, moments, virtualMs, features } = await simulate(planOf(String(seed), steps), {
    ...(planted !== undefined && { bug: planted }),
    ...(engine === 'mls' && { engine: () => mlsEngine }),
  });
  const result: TaskResult = { seed, violations, messages, moments, virtualMs, features };
  parentPort?.postMessage(result);
});
