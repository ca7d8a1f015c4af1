export type { DatabaseState } from './copy.ts';
export { copyDatabase, DATABASE_FILE, inspectDatabase, makeServable } from './copy.ts';
export { dataFolderProblem } from './folder.ts';
export { openSqliteStore } from './store.ts';
export type { SqliteStoreOptions } from './store.ts';
