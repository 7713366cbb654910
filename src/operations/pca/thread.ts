// What a thread is asked to do with a group: it reads the weights itself, then does what group-pca.ts and angles.ts do.
import { setProductThreads } from '../../linalg/products.ts';
import * as angles from './angles.ts';
import * as group from './group-pca.ts';
import { readMember, type Source } from './members.ts';

// One thread per matrix: threads inside its products would only wait for each other.
setProductThreads(1);

/** The function with the weights of its members read first. */
const reading =
  <Rest extends unknown[], Result>(call: (members: readonly group.Member[], ...rest: Rest) => Promise<Result>) =>
  async (sources: readonly Source[], ...rest: Rest): Promise<Result> =>
    call(await Promise.all(sources.map(readMember)), ...rest);

export const operateGroup = reading(group.operateGroup);
export const groupSpectrum = reading(group.groupSpectrum);
export const prepareGroup = reading(group.prepareGroup);
export const rebuildPrepared = reading(group.rebuildPrepared);
export const principalAngles = reading(angles.principalAngles);

/** Names of the jobs above. */
export type JobName = 'operateGroup' | 'groupSpectrum' | 'prepareGroup' | 'rebuildPrepared' | 'principalAngles';
