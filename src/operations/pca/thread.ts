// What a thread is asked to do with a group: it reads the weights itself, then does what group-pca.ts and angles.ts do.
import { toFloat32, type WeightDtype } from '../../checkpoint/dtypes.ts';
import { type Extent, readExtent } from '../../checkpoint/reader.ts';
import * as angles from './angles.ts';
import * as group from './group-pca.ts';

/** A member whose weight is still in the file, or that an earlier operation has changed. */
export interface Source extends Omit<group.Member, 'values'> {
  readonly weight: { readonly extent: Extent; readonly dtype: WeightDtype } | { readonly values: Float32Array };
}

/** @throws SurgeryError `checkpoint` if the file cannot be read */
export async function readMember({ weight, ...member }: Source): Promise<group.Member> {
  const values = 'values' in weight ? weight.values : toFloat32(await readExtent(weight.extent), weight.dtype);
  return { ...member, values };
}

/** The same function with its members still to be read. */
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
