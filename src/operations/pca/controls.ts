// What the controls of a PCA change, and which modes have them.
import { createHash } from 'node:crypto';
import { SurgeryError } from '../../platform/errors.ts';
import { itemAt } from '../../platform/indexing.ts';
import type { Rebuilding } from './group-pca.ts';
import type { Group, Mode } from './grouping.ts';
import type { PcaControl, PcaOperation } from './spec.ts';

/** Whether a mode has a control: only modes that share k and v within a layer can share them with another layer's. */
export function hasControl(mode: Mode, control: PcaControl): boolean {
  if (control !== 'other-layer') return true;
  return mode === 'shared-kv' || mode === 'shared-qkv' || mode === 'per-head-kv';
}

/** Whether a control differs from the operation itself: a single layer has no other to share with. */
export function isOpenTo({ mode, targets, layers }: PcaOperation, control: PcaControl): boolean {
  if (control !== 'other-layer') return hasControl(mode, control);
  const sharesV = targets.includes('k') || (mode === 'shared-qkv' && targets.includes('q'));
  return hasControl(mode, control) && layers.length > 1 && targets.includes('v') && sharesV;
}

/**
 * Groups of the control other-layer: every v moves to the group of the chosen layer before it.
 * @throws SurgeryError `usage` for a mode without that control
 */
export function withOtherLayers(groups: readonly Group[], { control, mode, layers }: PcaOperation): readonly Group[] {
  if (control !== 'other-layer') return groups;
  if (!hasControl(mode, control))
    throw new SurgeryError(
      'usage',
      `the control other-layer needs k and v to share a PCA in each layer, ${mode} has none`,
    );
  // Members of one group and their earlier edits move together.
  const byLayer = new Map(
    groups.flatMap(({ members }) =>
      members.map((member) => [`${member.layer} ${member.projection} ${member.rows?.[0]}`, member] as const),
    ),
  );
  const next = (layer: number) => itemAt(layers, (layers.indexOf(layer) + 1) % layers.length);
  return groups.map((group) => ({
    ...group,
    members: group.members.map((member) => {
      if (group.members.length === 1 || member.projection !== 'v') return member;
      return byLayer.get(`${next(member.layer)} v ${member.rows?.[0]}`) ?? member;
    }),
  }));
}

/** Seeds of a control's random draws for a group, independent of anything else the process does. */
export function drawn(
  { name, layer }: Group,
  { control, seed }: { readonly control?: string; readonly seed: number },
): Pick<Rebuilding, 'control'> {
  if (control !== 'random-subspace' && control !== 'noise') return {};
  const hash = createHash('sha256')
    .update(JSON.stringify([seed, control, name, layer]))
    .digest();
  return { control: { kind: control, seed: hash.readUIntBE(0, 6) } };
}
