export type { Plan, Step } from './plan.ts';
export { planOf } from './plan.ts';
export type { Bug } from './planted.ts';
export { bugs } from './planted.ts';
export { shrink } from './shrink.ts';
export type { Outcome, RunOptions } from './simulate.ts';
export { simulate } from './simulate.ts';
export type { Violation } from './witness.ts';
