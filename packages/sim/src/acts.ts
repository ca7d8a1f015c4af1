/** What people do with a running client. Nobody does anything while theirs is not. */
import { freshId, queueCommit, resetIdentity } from '@securechat/client/engine';
import { ed25519 } from '@securechat/crypto';
import type { DeviceId } from '@securechat/wire';
import { idBytes, SecureChatError } from '@securechat/wire';
import type { ClientNode } from './client-node.ts';
import type { Life } from './world.ts';

/** The order of the calls is the order of the messages. */
export function send(node: ClientNode, to: string, text: string, onlineOnly: boolean): void {
  const { running } = node;
  const { world, witness, person } = node.parts;
  const said = witness.says(person.name, to, text);
  if (running === undefined) return said.unsaid();
  world.as(running.life, () => {
    void running.sender.send(to, text, { onlineOnly }).then(
      ({ id }) => said.taken(id),
      (error: unknown) => {
        if (running.life.alive) said.refused(error instanceof SecureChatError ? error.code : 'INTERNAL');
      },
    );
  });
}

export function renewKeys(node: ClientNode, user: string): void {
  const { running } = node;
  const live = running?.engine.ledger.conversation(user).lineage.some(({ state }) => state === 'live') === true;
  if (running === undefined || !live) return;
  node.parts.world.as(running.life, () => {
    const { engine } = running;
    void engine.serial.run(user, () => queueCommit(engine, user)).catch(() => undefined);
  });
}

/** New keys: once in a run, those that were made beforehand. */
export function resetKeys(node: ClientNode): void {
  const { running } = node;
  const { world, witness, person } = node.parts;
  if (running === undefined || node.device !== person.record.device) return;
  witness.reset.add(person.name);
  world.as(running.life, () => {
    const { engine } = running;
    const { identity, sealing } = person.spare;
    void (async () => {
      const lost = await resetIdentity(engine, async (entropy) => {
        const keys = { device: freshId<DeviceId>(entropy), signing: ed25519.generate(entropy), sealing };
        return { identity, keys };
      });
      if (lost === undefined) await engine.changeOver();
      else await engine.resetHappened();
      if (engine.ledger.account.device !== person.record.device) witness.count('keys reset');
    })().catch(() => undefined);
  });
}

export function offerFile(node: ClientNode, to: string, name: string, content: Uint8Array): void {
  const { running } = node;
  if (running === undefined) return;
  const { world, witness, person } = node.parts;
  const path = `${node.folder}/${name}`;
  const offer = witness.offered({ from: person.name, to, name, content, id: undefined, shown: new Set() });
  world.files.put(path, content);
  world.as(running.life, () => {
    const { engine } = running;
    void (async () => {
      const { id, done } = await engine.transfers.offer(to, path, content.length, () => undefined);
      offer.id = id;
      done();
    })().catch(() => undefined);
  });
}

/** A person looks at the offer for a while. */
export function answerOffer(node: ClientNode, life: Life, id: string): void {
  const { world, chance } = node.parts;
  const accepts = !chance.oneIn(5);
  world.after(chance.between(10, 4000), life, () => {
    void node.running?.engine.transfers.answer(id, accepts, `${node.folder}/in`).catch(() => undefined);
  });
}

export function block(node: ClientNode, user: string, blocked: boolean): void {
  const { running } = node;
  const contact = running?.engine.ledger.contacts.get(user);
  const link = running?.engine.link();
  if (running === undefined || contact === undefined || link === undefined) return;
  node.parts.world.as(running.life, () => {
    void (async () => {
      await link.request('block', { account: idBytes(contact.account), blocked, quiet: false });
      await running.engine.serial.run(user, async () => {
        const known = running.engine.ledger.contacts.get(user);
        if (known !== undefined) await running.engine.ledger.commit([{ put: 'contact', value: { ...known, blocked } }]);
      });
    })().catch(() => undefined);
  });
}
