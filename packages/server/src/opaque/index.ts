export { openOpaque } from './pool.ts';
export type { OpaqueOptions, OpaqueServer } from './pool.ts';
export { staticPublicKey } from './protocol.ts';
export { openOpaqueSetup } from './setup.ts';
