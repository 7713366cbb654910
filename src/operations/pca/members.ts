// A group's weights: in the checkpoint's file, or as an earlier operation has left them.
import { toFloat32, type WeightDtype } from '../../checkpoint/dtypes.ts';
import { type ByteRange, readRange } from '../../checkpoint/reader.ts';
import type { Member } from './group-pca.ts';

/** A member whose weight is still in the file, or that an earlier operation has changed. */
export interface Source extends Omit<Member, 'values'> {
  readonly weight: { readonly range: ByteRange; readonly dtype: WeightDtype } | { readonly values: Float32Array };
}

/** @throws SurgeryError `checkpoint` if the file cannot be read */
export async function readMember({ weight, ...member }: Source): Promise<Member> {
  const values = 'values' in weight ? weight.values : toFloat32(await readRange(weight.range), weight.dtype);
  return { ...member, values };
}
