/** Collection `account`: who this device is (`self`), and the numbers that must never go back (`counters`, `cursor`). */
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import { readId, readOne, recordCodec, writeId, writeOne } from './record.ts';

const stages = ['registering', 'registered'] as const;

export interface AccountRecord {
  /** `registering`: the server may not have heard of it, because the answer was lost. */
  readonly stage: (typeof stages)[number];
  readonly server: Fingerprint;
  readonly account: AccountId;
  readonly username: string;
  readonly device: DeviceId;
  readonly accountJws: string;
  readonly listJws: string;
  readonly deviceJws: string;
  /** Ed25519 seed, 32 bytes. */
  readonly signing: Uint8Array;
  /** PKCS #8. */
  readonly sealing: Uint8Array;
  /** A vault that the server does not have yet; empty when there is none. */
  readonly vault: Uint8Array;
  /** What opens the vault together with the password, asked of the server; empty: the recovery words alone do. */
  readonly passwordSlot: Uint8Array;
}

export const accountRecord = recordCodec<AccountRecord>(
  2,
  (writer, value) => {
    writeOne(writer, stages, value.stage);
    writer.text16(value.server);
    writeId(writer, value.account);
    writer.text16(value.username);
    writeId(writer, value.device);
    writer.text16(value.accountJws).text16(value.listJws).text16(value.deviceJws);
    writer.vec16(value.signing).vec16(value.sealing).vec32(value.vault);
    writer.vec16(value.passwordSlot);
  },
  (reader, written) => ({
    stage: readOne(reader, stages),
    server: reader.text16() as Fingerprint,
    account: readId<AccountId>(reader),
    username: reader.text16(),
    device: readId<DeviceId>(reader),
    accountJws: reader.text16(),
    listJws: reader.text16(),
    deviceJws: reader.text16(),
    signing: reader.vec16().slice(),
    sealing: reader.vec16().slice(),
    vault: reader.vec32().slice(),
    passwordSlot: written < 2 ? new Uint8Array(0) : reader.vec16().slice(),
  }),
);

export interface CountersRecord {
  /** Highest submit number used, 0 for none. */
  readonly submitNumber: number;
  /** Highest counter in front of a client id. */
  readonly clientCounter: number;
  /** Highest position in the outbox. */
  readonly order: number;
}

export const noCounters: CountersRecord = { submitNumber: 0, clientCounter: 0, order: 0 };

export const countersRecord = recordCodec<CountersRecord>(
  1,
  (writer, value) => {
    writer.u64(value.submitNumber).u64(value.clientCounter).u64(value.order);
  },
  (reader) => ({ submitNumber: reader.u64(), clientCounter: reader.u64(), order: reader.u64() }),
);

/** The highest mailbox number on disk here. */
export const cursorRecord = recordCodec<number>(
  1,
  (writer, value) => {
    writer.u64(value);
  },
  (reader) => reader.u64(),
);

/** The history of the server that the cursor is a number of. Another one from the server: it was put back to a copy. */
export const historyRecord = recordCodec<number>(
  1,
  (writer, value) => {
    writer.u64(value);
  },
  (reader) => reader.u64(),
);
