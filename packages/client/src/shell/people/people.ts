/** Whose keys are whose: this device, the people written to, look-ups, pins and the rules of key changes. */
import type { AccountBundle, KnownList } from '@securechat/crypto';
import { sha256, verifyAccountBundle } from '@securechat/crypto';
import type { OwnDevice } from '@securechat/e2ee';
import { certificateIsValid, ownDevice } from '@securechat/e2ee';
import type { AccountId, control } from '@securechat/wire';
import { idBytes, idOf, normaliseUsername, SecureChatError } from '@securechat/wire';
import type { ContactRecord } from '../../core/record-contact.ts';
import { judge } from '../../core/trust.ts';
import { ownBundle } from '../account/account-record.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import { linkOf } from '../open-account.ts';

/** A judged account, not stored yet: `changes` go into the caller's commit, `after` runs when that is durable. */
export interface Adopted {
  readonly contact: ContactRecord;
  readonly changes: readonly LedgerChange[];
  after(): void;
}

export class People {
  readonly #ledger: Ledger;
  readonly #nowMs: () => number;
  readonly #bundles = new Map<string, AccountBundle>();
  readonly #droppedMs = new Map<string, number>();
  #me: { readonly deviceJws: string; readonly own: OwnDevice } | undefined;

  constructor(ledger: Ledger, nowMs: () => number) {
    this.#ledger = ledger;
    this.#nowMs = nowMs;
  }

  /** This device with its certificates, which may have ended, and its signing key. */
  async me(): Promise<OwnDevice> {
    const { account } = this.#ledger;
    const { deviceJws, device, signing } = account;
    if (this.#me?.deviceJws === deviceJws) return this.#me.own;
    const own = ownDevice(await ownBundle(account), device, signing);
    this.#me = { deviceJws, own };
    return own;
  }

  /** This device, for what others are to believe. CERTIFICATE_REJECTED when they would not: its certificate has ended. */
  async writer(): Promise<OwnDevice> {
    const own = await this.me();
    if (!certificateIsValid(own.certificate, this.#nowMs()))
      throw notBelieved('The certificate of this device is not valid now.');
    return own;
  }

  /** When this process learned that devices of this contact are no longer listed. */
  droppedMs(user: string): number | undefined {
    return this.#droppedMs.get(user);
  }

  /** The newest certificates known of a contact. CERTIFICATE_REJECTED once one of them has expired: look up again. */
  async bundle(contact: ContactRecord): Promise<AccountBundle> {
    const bundle = await this.bundleOfAnyTime(contact);
    if (!bundle.devices.every((certificate) => certificateIsValid(certificate, this.#nowMs())))
      throw notBelieved('A certificate of theirs is not valid now.');
    return bundle;
  }

  /** As `bundle`, whether or not certificates have expired. */
  async bundleOfAnyTime(contact: ContactRecord): Promise<AccountBundle> {
    const known = this.#bundles.get(contact.user);
    if (known?.account.jws === contact.accountJws && known.list.jws === contact.listJws) return known;
    const { accountJws, listJws, deviceJws, account, identity } = contact;
    const { server } = this.#ledger.account;
    const texts = { accountJws, listJws, deviceJws };
    const bundle = await verifyAccountBundle({ ...texts, server, account, identity, nowMs: 'any-time' });
    this.#bundles.set(contact.user, bundle);
    return bundle;
  }

  /** Verifies what the server handed out against itself, this server and what is known of the person. */
  async verify(shown: control.Account, user: string | undefined): Promise<AccountBundle> {
    const account = idOf<AccountId>(shown.account);
    const known = this.#ledger.contacts.get(user ?? this.#ledger.userOfAccount(account) ?? '');
    const bundle = await verifyAccountBundle({
      accountJws: shown.accountJws,
      listJws: shown.listJws,
      deviceJws: shown.deviceJws,
      server: this.#ledger.account.server,
      account: known?.account ?? account,
      ...(user !== undefined && { username: user }),
      nowMs: this.#nowMs(),
      ...(known !== undefined && { previousList: knownList(known) }),
    });
    insistOnName(bundle);
    return bundle;
  }

  /**
   * Applies the key-change rules to a verified bundle. In the person's serial queue. CERTIFICATE_REJECTED when it is not
   * to be believed.
   */
  async adopt(account: OpenAccount, bundle: AccountBundle): Promise<Adopted> {
    insistOnName(bundle);
    const user = bundle.account.username;
    const known = this.#ledger.contacts.get(user);
    const other = this.#ledger.userOfAccount(bundle.account.account);
    if (other !== undefined && other !== user) throw notBelieved('It is another user.');
    const before = known === undefined ? [] : (await this.bundleOfAnyTime(known)).devices.map(({ device }) => device);
    const devices = bundle.devices.map(({ device }) => device as string);
    const seen = {
      user,
      account: bundle.account.account,
      identity: bundle.account.identity.fingerprint,
      sequence: bundle.account.sequence,
      listVersion: bundle.list.version,
      devices,
    };
    const verdict = judge(known === undefined ? undefined : { ...known, devices: before }, seen);
    if (verdict.kind === 'refused')
      throw notBelieved(
        verdict.why === 'another-account' ? 'Another account has this name.' : 'The keys are older than those known.',
      );
    const contact: ContactRecord = {
      user,
      account: seen.account,
      identity: seen.identity,
      sequence: seen.sequence,
      listVersion: seen.listVersion,
      verified: known?.verified ?? false,
      changed: (known?.changed ?? false) || verdict.kind === 'new-identity',
      blocked: known?.blocked ?? account.blocks().has(seen.account),
      written: known?.written ?? false,
      accountJws: bundle.account.jws,
      listJws: bundle.list.jws,
      deviceJws: bundle.devices.map(({ jws }) => jws),
    };
    this.#bundles.set(user, bundle);
    const changes: LedgerChange[] = [{ put: 'contact', value: contact }];
    // Nothing is written for a device that is no longer listed.
    const gone = before.some((device) => !devices.includes(device)) || verdict.kind === 'new-identity';
    const conversation = this.#ledger.conversation(user);
    if (gone && conversation.lineage.some(({ state }) => state === 'live')) {
      const lineage = conversation.lineage.map((facts) =>
        facts.state === 'live' ? { ...facts, state: 'dead' as const } : facts,
      );
      changes.push({ put: 'conversation', value: { ...conversation, lineage } });
    }
    return {
      contact,
      changes,
      after: () => {
        if (verdict.kind === 'new') account.contactAdded();
        if (gone) this.#droppedMs.set(user, this.#nowMs());
        if (gone) account.dispatch({ kind: 'lineage', user, lineage: this.#ledger.conversation(user).lineage });
        if (verdict.kind === 'new-identity') {
          if (verdict.halts) account.dispatch({ kind: 'halted', user, halted: true });
          account.emit({ kind: 'keyChanged', user, verified: verdict.halts });
        }
        if (verdict.kind === 'new-device') account.emit({ kind: 'newDevice', user });
      },
    };
  }

  /** Asks the server, verifies, applies the rules, stores. NO_SUCH_USER, CERTIFICATE_REJECTED, RATE_LIMITED … */
  async lookup(account: OpenAccount, user: string): Promise<ContactRecord> {
    const known = this.#ledger.contacts.get(user);
    const who: control.Lookup['who'] =
      known === undefined ? { $case: 'username', value: user } : { $case: 'account', value: idBytes(known.account) };
    const answer = await linkOf(account).request('lookup', { who });
    if (answer.$case !== 'lookup') throw new SecureChatError('MALFORMED');
    const shown = answer.value;
    const bundle = await this.verify(shown, user);
    return account.serial.run(user, async () => {
      const adopted = await this.adopt(account, bundle);
      await account.ledger.commit(adopted.changes);
      adopted.after();
      return adopted.contact;
    });
  }
}

/** True when nothing is to be written to this contact before a person looked at their new identity. */
export function isHalted(contact: ContactRecord | undefined): boolean {
  return contact !== undefined && contact.verified && contact.changed;
}

/** A name that is no name, or in another spelling, could pass for somebody else on a screen. */
function insistOnName(bundle: AccountBundle): void {
  let name: string | undefined;
  try {
    name = normaliseUsername(bundle.account.username);
  } catch {
    name = undefined;
  }
  if (name !== bundle.account.username) throw notBelieved('The user name is not valid.');
}

function knownList(contact: ContactRecord): KnownList {
  const hash = sha256(new TextEncoder().encode(contact.listJws));
  return { sequence: contact.sequence, version: contact.listVersion, hash };
}

function notBelieved(text: string): SecureChatError {
  return new SecureChatError('CERTIFICATE_REJECTED', { text });
}
