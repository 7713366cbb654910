// surgery merge: joins the parts of a study that several machines computed.

import { readStudyFolder, StudyFolder, sameContext } from '../experiments/folder.ts';
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
    if (whole && (!sameContext(whole, part.study) || whole.cells.join() !== part.study.cells.join()))
      throw new SurgeryError('output', `${folder} is part of another study than ${folders[0]}: merge them apart`);
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
    if (folder.study && !sameContext(folder.study, whole))
      throw new SurgeryError('output', `${output} holds another study: name another folder`);
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
