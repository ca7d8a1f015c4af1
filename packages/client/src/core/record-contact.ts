/** Collection `contact`, by user name: whose keys these are, and how far they are trusted. */
import type { AccountId, Fingerprint } from '@securechat/wire';
import { readFlags, readId, readTexts, recordCodec, writeFlags, writeId, writeTexts } from './record.ts';

/** Everything public of an account as the server handed it out and this device verified it. */
export interface PublicAccount {
  readonly accountJws: string;
  readonly listJws: string;
  readonly deviceJws: readonly string[];
}

export interface ContactRecord extends PublicAccount {
  readonly user: string;
  readonly account: AccountId;
  /** Of the account identity: the pin. */
  readonly identity: Fingerprint;
  readonly sequence: number;
  readonly listVersion: number;
  /** A person compared safety numbers for this identity, or for one before it when `changed`. */
  readonly verified: boolean;
  /** The identity changed and nobody has looked at it yet. */
  readonly changed: boolean;
  readonly blocked: boolean;
  /** We have written to them: receipts may go out on an open server. */
  readonly written: boolean;
}

export const contactRecord = recordCodec<ContactRecord>(
  1,
  (writer, value) => {
    writer.text16(value.user);
    writeId(writer, value.account);
    writer.text16(value.identity).u64(value.sequence).u64(value.listVersion);
    writeFlags(writer, value.verified, value.changed, value.blocked, value.written);
    writer.text16(value.accountJws).text16(value.listJws);
    writeTexts(writer, value.deviceJws);
  },
  (reader) => {
    const user = reader.text16();
    const account = readId<AccountId>(reader);
    const identity = reader.text16() as Fingerprint;
    const [sequence, listVersion] = [reader.u64(), reader.u64()];
    const [verified = false, changed = false, blocked = false, written = false] = readFlags(reader);
    const [accountJws, listJws, deviceJws] = [reader.text16(), reader.text16(), readTexts(reader)];
    const trust = { verified, changed, blocked, written };
    return { user, account, identity, sequence, listVersion, ...trust, accountJws, listJws, deviceJws };
  },
);
