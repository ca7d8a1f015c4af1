/** The local store against a model in memory: whatever is done in whatever order, both say the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ClientStore, Collection, StoreChange } from '../src/stores/port.ts';
import { newStore, plain, reopen, temporaryFolder, text } from './stores.ts';

const collection = fc.constantFrom<Collection>('account', 'contact', 'outbox');
const key = fc.constantFrom('', 'a', 'A', 'b', 'é', 'a\u0000b', 'sixteen-byte-key-and-more');
const conversation = fc.constantFrom('bob', 'carol', '');
const id = fc.constantFrom('1', '2', '3', '4', '5');
const value = fc.uint8Array({ maxLength: 300 });
const change: fc.Arbitrary<StoreChange> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), collection, key, value }),
  fc.record({ kind: fc.constant('delete' as const), collection, key }),
  fc.record({ kind: fc.constant('message' as const), conversation, id, value }),
  fc.record({ kind: fc.constant('deleteConversation' as const), conversation }),
);
type Step = { readonly kind: 'commit'; readonly changes: StoreChange[] } | { readonly kind: 'reopen' };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('commit' as const), changes: fc.array(change, { maxLength: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

class Model {
  readonly records = new Map<string, Map<string, Uint8Array>>();
  readonly messages = new Map<string, { id: string; value: Uint8Array }[]>();

  apply(change: StoreChange): void {
    if (change.kind === 'put') this.of(change.collection).set(change.key, change.value);
    if (change.kind === 'delete') this.of(change.collection).delete(change.key);
    if (change.kind === 'deleteConversation') this.messages.delete(change.conversation);
    if (change.kind !== 'message') return;
    const messages = this.messages.get(change.conversation) ?? [];
    const known = messages.find(({ id }) => id === change.id);
    if (known === undefined) messages.push({ id: change.id, value: change.value });
    else known.value = change.value;
    this.messages.set(change.conversation, messages);
  }
  of(collection: Collection): Map<string, Uint8Array> {
    const known = this.records.get(collection) ?? new Map<string, Uint8Array>();
    this.records.set(collection, known);
    return known;
  }
}

async function insistOnModel(store: ClientStore, model: Model): Promise<void> {
  for (const collection of ['account', 'contact', 'outbox'] as const) {
    const expected = [...model.of(collection)].toSorted(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual([...(await store.all(collection))], expected);
    for (const [key, value] of expected) assert.deepEqual(await store.get(collection, key), value);
    assert.equal(await store.get(collection, 'never put'), undefined);
  }
  for (const conversation of ['bob', 'carol', '']) {
    const expected = model.messages.get(conversation) ?? [];
    assert.deepEqual(await store.messages(conversation, { limit: 100 }), expected);
    assert.deepEqual(await store.messages(conversation, { limit: 2 }), expected.slice(-2));
    for (const [index, { id, value }] of expected.entries()) {
      assert.deepEqual(
        await store.messages(conversation, { before: id, limit: 2 }),
        expected.slice(0, index).slice(-2),
      );
      assert.deepEqual(await store.message(conversation, id), value);
      assert.equal(await store.hasMessage(conversation, id), true);
    }
    assert.equal(await store.hasMessage(conversation, 'never stored'), false);
    assert.equal(await store.message(conversation, 'never stored'), undefined);
    assert.deepEqual(await store.messages(conversation, { before: 'never stored', limit: 2 }), []);
  }
}

test('any sequence of commits and reopenings leaves what the model has', async (t) => {
  const directory = temporaryFolder(t);
  const template = await newStore(directory);
  await template.close();
  let store = await reopen(directory);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const model = new Model();
      for (const one of steps) {
        if (one.kind === 'commit') {
          await store.commit(one.changes);
          for (const change of one.changes) model.apply(change);
        } else {
          await store.close();
          store = await reopen(directory);
        }
      }
      await insistOnModel(store, model);
      // Clean for the next run: every key and conversation there is.
      const changes: StoreChange[] = ['bob', 'carol', ''].map((name) => ({
        kind: 'deleteConversation',
        conversation: name,
      }));
      for (const [collection, records] of model.records)
        for (const key of records.keys()) changes.push({ kind: 'delete', collection: collection as Collection, key });
      await store.commit(changes);
    }),
    { numRuns: 60 },
  );
  await store.close();
});

test('commits of one turn are each whole, in order, and visible to a reader that did not wait', async (t) => {
  const directory = temporaryFolder(t);
  const store = await newStore(directory, [{ kind: 'put', collection: 'account', key: 'self', value: text('first') }]);
  const commits = Array.from({ length: 50 }, (_, index) =>
    store.commit([
      { kind: 'put', collection: 'outbox', key: `row ${index}`, value: text(String(index)) },
      { kind: 'put', collection: 'account', key: 'self', value: text(`state ${index}`) },
    ]),
  );
  assert.equal(plain(await store.get('account', 'self')), 'state 49');
  await Promise.all(commits);
  assert.equal((await store.all('outbox')).size, 50);
  await store.close();
});

test('one caller with a change that cannot be applied does not take the others along', async (t) => {
  const directory = temporaryFolder(t);
  const store = await newStore(directory);
  const good = store.commit([{ kind: 'put', collection: 'contact', key: 'good', value: text('1') }]);
  const tooLong = 'k'.repeat(70_000);
  const bad = store.commit([
    { kind: 'put', collection: 'contact', key: 'half', value: text('2') },
    { kind: 'put', collection: 'contact', key: tooLong, value: text('3') },
  ]);
  await Promise.all([good, assert.rejects(bad, { code: 'TOO_LARGE' })]);
  assert.deepEqual([...(await store.all('contact')).keys()], ['good']);
  await store.close();
});

test('a closed store answers nothing and forgets its key', async (t) => {
  const store = await newStore(temporaryFolder(t));
  const pending = store.commit([{ kind: 'put', collection: 'contact', key: 'late', value: text('1') }]);
  await store.close();
  await pending;
  await store.close();
  assert.deepEqual(store.proofKey, new Uint8Array(32));
  await assert.rejects(store.get('account', 'self'), { code: 'LOGGED_OUT' });
  await assert.rejects(store.commit([]), { code: 'LOGGED_OUT' });
  store.tick();
});
