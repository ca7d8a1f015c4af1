/** The cipher suite of our groups on our primitives, and their windows. */
import { defaultConfig, suiteOf } from '@securechat/mls';
import { defaultLimits } from '@securechat/wire';
import { SUITE } from './members.ts';
import { provider } from './provider.ts';

export const suite = suiteOf(provider, SUITE);

export const config = {
  ...defaultConfig,
  // Counted from the next generation, so that the newest message is one of them.
  window: { backMax: defaultLimits.outOfOrderBackMax + 1, forwardMax: defaultLimits.outOfOrderForwardMax },
  pastEpochsMax: defaultLimits.pastEpochsMax,
  // Nothing of ours uses resumption PSKs.
  resumptionEpochsMax: 0,
};
