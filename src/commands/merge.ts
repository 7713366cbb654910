// surgery merge: joins the parts of a study that several machines computed.

import { differencesOf, readStudyFolder, StudyFolder } from '../experiments/folder.ts';
import { summarised } from '../experiments/summary.ts';
import { canonical } from '../platform/canonical.ts';
import { SurgeryError } from '../platform/errors.ts';
import type { CellResult, Study } from '../results/study.ts';
import type { MergeOptions } from './command-options.ts';
import { progressOf } from './model.ts';
import { printStudy, writeStudy } from './study-output.ts';

/**
 * @throws SurgeryError `output` for parts of different studies, for parts that contradict each other, and if --output
 * holds another study
 */
export async function merge(folders: readonly string[], options: MergeOptions): Promise<void> {
  const { output } = options;
  // Not for Commander to require: a config file may give it, and is read later.
  if (output === undefined) throw new SurgeryError('usage', 'merge needs --output: the folder for the whole study');
  const cells = new Map<string, CellResult>();
  let whole: Study | undefined;
  for (const folder of folders) {
    const part = await readStudyFolder(folder);
    const differ = whole ? differencesOf(whole, part.study) : [];
    if (whole && differ.length === 0 && whole.cells.join() !== part.study.cells.join()) differ.push('list of cells');
    if (differ.length > 0)
      throw new SurgeryError(
        'output',
        `${folder} is part of another study than ${folders[0]}, with another ${differ.join(', ')}: merge them apart`,
      );
    for (const [id, cell] of part.cells) {
      const known = cells.get(id);
      if (known && canonical(known) !== canonical(cell))
        throw new SurgeryError('output', `${folder} has another result for cell ${id} than a folder before it`);
      cells.set(id, cell);
    }
    if (whole?.original && part.study.original && canonical(whole.original) !== canonical(part.study.original))
      throw new SurgeryError('output', `${folder} has other figures for the original model than ${folders[0]}`);
    whole = {
      ...(whole ?? part.study),
      original: whole?.original ?? part.study.original,
      angles: whole?.angles.length ? whole.angles : part.study.angles,
      curves: whole?.curves.length ? whole.curves : part.study.curves,
    };
  }
  if (!whole) throw new SurgeryError('usage', 'no folder given: name the parts of a study');
  const folder = await StudyFolder.open(output);
  try {
    const differ = folder.study ? differencesOf(folder.study, whole) : [];
    if (differ.length > 0)
      throw new SurgeryError(
        'output',
        `${output} holds a study with another ${differ.join(', ')}: name another folder`,
      );
    const ordered = whole.cells.filter((id) => cells.has(id) && !folder.cells.has(id));
    for (const id of ordered) {
      const cell = cells.get(id);
      if (cell) await folder.add(cell);
    }
    const study = summarised(whole, folder.cells);
    await writeStudy(folder, study, true, progressOf(options));
    printStudy(options, { study, cells: folder.cells, folder: folder.path });
  } finally {
    await folder.close();
  }
}
