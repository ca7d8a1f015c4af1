/** What a person does with other people, by user name. What is looked up of them is the work of `People`. */
import { safetyNumber, safetyPart } from '@securechat/e2ee';
import { idBytes, SecureChatError } from '@securechat/wire';
import type { Contact, SafetyNumber } from '../../api.ts';
import type { ContactRecord } from '../../core/record-contact.ts';
import type { Engine } from '../engine.ts';
import { reachedLink } from '../open-account.ts';
import { isHalted } from './people.ts';
import { presenceOf } from './presences.ts';
import { shown } from '../send/send.ts';
import { otherUser } from './user-name.ts';

export class Contacts {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Newest conversation first. */
  list(): readonly Contact[] {
    const { ledger, presences } = this.#engine;
    const contacts = [...ledger.contacts.values()].map((contact) => ({
      contact: {
        user: contact.user,
        fingerprint: contact.identity,
        verified: isVerified(contact),
        changed: contact.changed,
        blocked: contact.blocked,
        unread: ledger.conversation(contact.user).unread,
        presence: shown(presences.get(contact.user)),
      },
      lastMs: ledger.conversation(contact.user).lastMs,
    }));
    contacts.sort((a, b) => b.lastMs - a.lastMs || (a.contact.user < b.contact.user ? -1 : 1));
    return contacts.map(({ contact }) => contact);
  }

  async presence(user: string): Promise<'online' | 'offline' | 'unknown'> {
    const engine = this.#engine;
    const contact = await this.#contact(user);
    const answer = await reachedLink(engine).request('getPresence', { account: idBytes(contact.account) });
    if (answer.$case !== 'presence') throw new SecureChatError('MALFORMED');
    const presence = presenceOf(answer.value.presence);
    engine.presences.note(contact.user, presence);
    return presence;
  }

  async setBlocked(to: string, blocked: boolean, quiet: boolean): Promise<void> {
    const engine = this.#engine;
    const { user, account } = await this.#contact(to);
    await reachedLink(engine).request('block', { account: idBytes(account), blocked, quiet });
    await engine.serial.run(user, async () => {
      const contact = engine.ledger.contacts.get(user);
      if (contact !== undefined) await engine.ledger.commit([{ put: 'contact', value: { ...contact, blocked } }]);
    });
    await engine.presences.watch().catch(() => undefined);
  }

  async safetyNumber(user: string): Promise<SafetyNumber> {
    const engine = this.#engine;
    const { user: name } = await this.#contact(user);
    const number = await this.#digits(name);
    return engine.serial.run(name, async () => {
      const contact = engine.ledger.contacts.get(name);
      // Looked at: for somebody who was never verified that is all the change asks for.
      if (contact?.changed === true && !contact.verified)
        await engine.ledger.commit([{ put: 'contact', value: { ...contact, changed: false } }]);
      return { safetyNumber: number, verified: contact !== undefined && isVerified(contact) };
    });
  }

  async verify(user: string, given: string): Promise<SafetyNumber> {
    const engine = this.#engine;
    const { user: name } = await this.#contact(user);
    const number = await this.#digits(name);
    const verified = given.replace(/\D/g, '') === number.replace(/\D/g, '');
    if (!verified) return { safetyNumber: number, verified };
    await engine.serial.run(name, async () => {
      const contact = engine.ledger.contacts.get(name);
      if (contact === undefined) return;
      const halted = isHalted(contact);
      await engine.ledger.commit([{ put: 'contact', value: { ...contact, verified: true, changed: false } }]);
      if (halted) engine.dispatch({ kind: 'halted', user: name, halted: false });
    });
    return { safetyNumber: number, verified };
  }

  async #contact(to: string): Promise<ContactRecord> {
    const engine = this.#engine;
    const user = otherUser(engine, to);
    const known = engine.ledger.contacts.get(user);
    if (known !== undefined) return known;
    reachedLink(engine);
    return engine.people.lookup(engine, user);
  }

  async #digits(user: string): Promise<string> {
    const engine = this.#engine;
    const contact = engine.ledger.contacts.get(user);
    if (contact === undefined) throw new SecureChatError('NO_SUCH_USER');
    const me = await engine.people.me();
    const bundle = await engine.people.bundle(contact);
    return safetyNumber(engine.ledger.account.server, safetyPart(me.person.account), safetyPart(bundle.account)).digits;
  }
}

function isVerified(contact: ContactRecord): boolean {
  return contact.verified && !contact.changed;
}
