/** An open account, from login to logout: its profile, its engine, and what a person does with both. */
import { systemEntropy } from '@securechat/crypto';
import { mlsEngine } from '@securechat/e2ee';
import type { Code } from '@securechat/wire';
import { Contacts } from '../people/contacts.ts';
import type { EngineOptions } from '../engine.ts';
import { Engine } from '../engine.ts';
import { Messages } from '../messages.ts';
import type { OpenProfile } from './open-profile.ts';

/** Upkeep of the store (replaced records leave the disk) and of keys. */
const UPKEEP_MS = 60_000;

export interface SessionOptions extends Required<Pick<EngineOptions, 'emit' | 'room' | 'open'>> {
  /** The server ended it, with this code. */
  readonly onEnded: (session: AccountSession, code: Code) => void;
}

export class AccountSession {
  readonly profile: OpenProfile;
  readonly engine: Engine;
  readonly messages: Messages;
  readonly contacts: Contacts;
  readonly #upkeep: NodeJS.Timeout;

  /** Not connected yet: `engine.start`. */
  constructor(profile: OpenProfile, { onEnded, ...options }: SessionOptions) {
    this.profile = profile;
    this.engine = new Engine({
      ...options,
      ledger: profile.ledger,
      mls: mlsEngine,
      entropy: systemEntropy,
      nowMs: () => Date.now(),
      random: () => Math.random(),
      onEnded: (code) => onEnded(this, code),
    });
    this.messages = new Messages(this.engine);
    this.contacts = new Contacts(this.engine);
    this.#upkeep = setInterval(() => {
      profile.store.tick();
      this.engine.renewal.pulse();
    }, UPKEEP_MS);
    this.#upkeep.unref();
  }

  /** The connection and all work end; the profile stays open. */
  async stop(): Promise<void> {
    clearInterval(this.#upkeep);
    await this.engine.stop();
  }
}
