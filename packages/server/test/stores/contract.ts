/**
 * What every storage driver keeps (packages/server/src/stores/port.ts). A driver's test file calls `holdsContract` with a
 * way to open it. One test compares random histories with the model; the others name the promises one by one.
 */
import { playHistories } from './histories.ts';
import type { OpenDriver } from './place.ts';
import { placesFor } from './place.ts';
import { promiseEndings } from './promises-endings.ts';
import { promiseMailboxes } from './promises-mailboxes.ts';
import { promiseRecords } from './promises-records.ts';
import { promiseSubmissions } from './promises-submissions.ts';

export function holdsContract(name: string, open: OpenDriver): void {
  const places = placesFor(open);
  promiseSubmissions(name, places);
  promiseMailboxes(name, places);
  promiseRecords(name, places);
  promiseEndings(name, places);
  playHistories(name, places);
}
