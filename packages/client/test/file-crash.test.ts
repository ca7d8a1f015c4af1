/** A file on its way while the power fails: at every commit of the one who receives it, before and after it took effect. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TransferId } from '@securechat/e2ee';
import { systemEntropy } from '@securechat/crypto';
import type { Play } from './doubles/play.ts';
import { on, until } from './doubles/play.ts';
import { temporaryFolder } from './stores.ts';

const content = systemEntropy(3000);

/** Alice offers the file, Bob accepts. */
async function accepted({ alice, bob }: Play, from: string, to: string): Promise<TransferId> {
  const { id, done } = await alice.engine.transfers.offer('bob', from, 2 ** 20, () => undefined);
  done();
  await until(
    () => bob.engine.ledger.transfers.has(id),
    () => 'an offer',
  );
  await bob.engine.transfers.answer(id, true, to);
  return id;
}

for (const applied of [false, true])
  test(`a file is there once wherever the power fails, its commit ${applied ? 'on' : 'not on'} the disk`, async (t) => {
    const [outbox, downloads] = [temporaryFolder(t), temporaryFolder(t)];
    await on(async (play) => {
      const { alice, bob } = play;
      await alice.sender.send('bob', 'hello', {});
      for (let commits = 1; ; commits += 1) {
        const name = `${commits}.bin`;
        writeFileSync(join(outbox, name), content);
        const id = await accepted(play, join(outbox, name), join(downloads, name));
        const { store } = bob;
        const cut = { commits: store.commits + commits, applied };
        store.cutAfter = cut;
        const delivered = () => alice.events.some((event) => event.kind === 'fileDelivered' && event.id === id);
        await until(
          () => delivered() || store.commits >= cut.commits,
          () => `file ${name}`,
        );
        const failed = store.commits >= cut.commits;
        if (failed) await bob.crash();
        else store.cutAfter = undefined;
        await until(delivered, () => `${name} after the power cut`);
        assert.deepEqual(readdirSync(join(downloads, name)), [name]);
        assert.deepEqual(new Uint8Array(readFileSync(join(downloads, name, name))), content);
        assert.equal(bob.engine.ledger.transfers.size, 0);
        // Every commit of a transfer was met.
        if (!failed) return void assert.ok(commits > 3, `${commits}`);
      }
    });
  });
