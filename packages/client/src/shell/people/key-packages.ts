/** Key packages: enough of them at the server that others can write first. Private halves are stored before they go out. */
import { createKeyPackages, decodeCredential } from '@securechat/e2ee';
import { limits, SecureChatError, toBase64url } from '@securechat/wire';
import type { KeyPackageRecord } from '../../core/record-key-package.ts';
import { keyPackageKey } from '../../core/record-key-package.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { OpenAccount } from '../open-account.ts';
import { linkOf } from '../open-account.ts';
import { requestPatiently } from '../files/patient.ts';

const WANTED = 20;
const REFILL_BELOW = 10;
const DAY_MS = 24 * 60 * 60 * 1000;
/** A last-resort package is used many times: a fresh one each month. */
const LAST_RESORT_MS = 30 * DAY_MS;

/** What is older at the server is replaced: whoever claims one has time to use it. They live 90 days. */
const FRESH_MS = 60 * DAY_MS;
/** Private halves outlive their packages by as long as an invitation may wait in a mailbox. */
const KEPT_MS = limits.keyPackageMsMax.value + limits.mailboxDays.value * DAY_MS;

/** Private halves kept at once. Whoever gives packages out that are never used ends at the last-resort one. */
const KEPT_MAX = 1000;

const NONE = new Uint8Array(0);

/** One-time packages that may lie at the server; if there are more, some of those are too old, or of a forgotten life. */
export async function countFresh(account: OpenAccount): Promise<number> {
  const sinceMs = account.nowMs() - FRESH_MS;
  const recent = [...account.ledger.keyPackages.values()].filter(
    ({ lastResort, madeMs }) => !lastResort && madeMs >= sinceMs,
  );
  return (await underTodaysCertificate(account, recent)).length;
}

/** A package ends with the certificate that it was made under: once that is renewed, it ends too early. */
async function underTodaysCertificate(
  { people, mls }: OpenAccount,
  records: readonly KeyPackageRecord[],
): Promise<readonly KeyPackageRecord[]> {
  const today = toBase64url((await people.me()).certificate.fingerprint);
  return records.filter(({ keyPackage }) => {
    const credential = decodeCredential(mls.readKeyPackage(keyPackage)?.credential ?? NONE);
    return credential !== undefined && toBase64url(credential.deviceCertificate) === today;
  });
}

/** One-time packages at the server now: the answer to publishing none. */
export async function stock(account: OpenAccount): Promise<number> {
  const nothing = { oneTime: [], lastResort: NONE };
  const answer = await requestPatiently(linkOf(account), 'putKeyPackages', nothing);
  if (answer.$case !== 'stock') throw new SecureChatError('MALFORMED');
  return answer.value.left;
}

/**
 * Publishes what is missing. `left`: one-time packages at the server. `forgotten`: some of those are too old, or of a life
 * that this copy of the profile does not know; nobody must get one, because what it is used for could not be read.
 * Whatever the server says at each attach, no more than `KEPT_MAX` are kept.
 */
export async function replenish(
  account: OpenAccount,
  left: number,
  lastResortStored: boolean,
  forgotten = false,
): Promise<void> {
  // One at a time: two refills at once would make twice as many.
  await account.serial.run('key packages', async () => {
    const nowMs = account.nowMs();
    await prune(account, nowMs);
    const kept = [...account.ledger.keyPackages.values()];
    const unpublished = await underTodaysCertificate(
      account,
      kept.filter((one) => !one.published && !one.lastResort && nowMs - one.madeMs <= FRESH_MS),
    );
    const there = forgotten ? 0 : left;
    const room = Math.max(0, KEPT_MAX - kept.length);
    const wanted = there < REFILL_BELOW ? Math.min(room, Math.max(0, WANTED - there - unpublished.length)) : 0;
    const oneTime = [...unpublished, ...(await make(account, wanted, false))];
    const [fresh] = await underTodaysCertificate(
      account,
      kept.filter((one) => one.lastResort && nowMs - one.madeMs < LAST_RESORT_MS),
    );
    const stored = lastResortStored && !forgotten && fresh?.published === true;
    const [lastResort] = stored ? [] : fresh === undefined ? await make(account, 1, true) : [fresh];
    await publish(account, oneTime, lastResort, forgotten);
  });
}

async function make(account: OpenAccount, count: number, lastResort: boolean): Promise<readonly KeyPackageRecord[]> {
  if (count === 0) return [];
  const { mls: engine, entropy, ledger } = account;
  const madeMs = account.nowMs();
  const own = await account.people.writer();
  const made = createKeyPackages({ engine, own, count, nowMs: madeMs, entropy });
  const records = made.map((one) => ({ ...one, lastResort, published: false, madeMs }));
  await ledger.commit(records.map((value): LedgerChange => ({ put: 'keyPackage', value })));
  return records;
}

async function publish(
  account: OpenAccount,
  oneTime: readonly KeyPackageRecord[],
  lastResort: KeyPackageRecord | undefined,
  withdraw = false,
): Promise<void> {
  // The last-resort package takes one place of the first request.
  const first = limits.keyPackagesPerRequestMax.value - 1;
  const batches = [oneTime.slice(0, first)];
  for (let at = first; at < oneTime.length; at += limits.keyPackagesPerRequestMax.value)
    batches.push(oneTime.slice(at, at + limits.keyPackagesPerRequestMax.value));
  for (const [index, batch] of batches.entries()) {
    const last = index === 0 ? lastResort : undefined;
    if (batch.length === 0 && last === undefined) continue;
    await requestPatiently(linkOf(account), 'putKeyPackages', {
      oneTime: batch.map(({ keyPackage }) => keyPackage),
      lastResort: last?.keyPackage ?? NONE,
      withdraw: withdraw && index === 0,
    });
    const sent = last === undefined ? batch : [...batch, last];
    await account.ledger.commit(
      sent
        // One may have been used and dropped in the meantime.
        .filter(({ reference }) => account.ledger.keyPackages.has(keyPackageKey(reference)))
        .map((value): LedgerChange => ({ put: 'keyPackage', value: { ...value, published: true } })),
    );
  }
}

/** Packages for which no invitation can come any more. */
async function prune(account: OpenAccount, nowMs: number): Promise<void> {
  const over = [...account.ledger.keyPackages].filter(([, { madeMs }]) => nowMs - madeMs > KEPT_MS);
  await account.ledger.commit(over.map(([key]): LedgerChange => ({ drop: 'keyPackage', key })));
}
