/**
 * A store that works until it is killed. Every line on stdout is a promise made to somebody:
 * `sent <client id> <seq>` · `acking <seq>` (before it is asked for) · `took <package>`; `fatal <code> <outcome>` when the store gave up.
 * Arguments: folder, round.
 */
import { writeSync } from 'node:fs';
import type { DeviceId, GroupId } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import { openSqliteStore } from '../../src/stores/sqlite/index.ts';
import { actorNamed, attach, bytesNamed, founding, idNamed, message } from './stage.ts';

const [directory = '', round = '0'] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const limits = { ...defaultLimits, mailboxRowsMax: 1_000_000, mailboxBytesMax: 2 ** 40 };
const store = await openSqliteStore({
  directory,
  limits,
  ballastBytes: 64 * 1024,
  onFatal: (error) => {
    say(`fatal ${error.code} ${error.outcome}`);
    process.exit(4);
  },
});
const anna = actorNamed('anna');
const bert = actorNamed('bert');
const group = idNamed<GroupId>('group');
if (round === '0') {
  for (const { account, device } of [anna, bert])
    await store.put([], { account, sequence: 1, add: [device], remove: [], cause: 'RECIPIENT_RESET' });
  await attach(store, anna);
  await attach(store, bert);
  await store.submit(founding(anna, bert, group));
}
anna.submitNumber = (await store.attach(anna.device, 0, 0))?.submitNumberHighest ?? 0;
await attach(store, anna);
await attach(store, bert);
say('ready');

let acked = 0;
const send = async (): Promise<never> => {
  for (;;) {
    const submission = message(anna, group, { lowestUnresolved: 1 });
    const result = await store.submit(submission);
    if (result.kind === 'refused') throw new Error(result.code);
    say(`sent ${submission.submit.id} ${result.rows[0]?.seq}`);
    const seq = result.rows[0]?.seq ?? 0;
    if (seq % 50 !== 0 || seq < acked) continue;
    acked = seq - 40;
    say(`acking ${acked}`);
    await store.ack(bert.device, bert.generation, acked);
  }
};
const take = async (device: DeviceId): Promise<never> => {
  for (let next = 0; ; next += 1) {
    const fresh = [0, 1, 2].map((index) => bytesNamed(`${round} ${next} ${index}`, 40));
    await store.putKeyPackages(device, fresh, undefined);
    const taken = (await store.takeKeyPackages([device])).get(device);
    if (taken) say(`took ${Buffer.from(taken.keyPackage).toString('hex')}`);
  }
};
await Promise.all([...Array.from({ length: 16 }, send), take(bert.device)]);
