/** A full disk: how long before storing is tried again. */
const RETRY_MS = 1_000;

/** What has to be stored is tried until it is, or the account ends: a full disk passes. */
export function stubbornly(account: { ended(): boolean }, work: () => Promise<void>): void {
  if (account.ended()) return;
  work().catch(() => setTimeout(() => stubbornly(account, work), RETRY_MS).unref());
}
