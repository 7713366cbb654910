// A study on stdout, and its pictures in its folder.

import { sensitivityMap, studyCharts, studyCsv, studyText } from '../report/study.ts';
import { heatMapSvg, lineChartSvg } from '../report/svg.ts';
import type { StudyFolder } from '../study/folder.ts';
import type { CellResult, Study } from '../study/results.ts';
import { print } from './model.ts';

/** What is shown of a study. */
export interface Shown {
  readonly study: Study;
  readonly cells: ReadonlyMap<string, CellResult>;
  readonly folder: string;
  /** Nothing for a study that had been finished before. */
  readonly seconds?: Readonly<Record<string, number>>;
}

/**
 * Writes the cells in their order, the charts, and study.json. That comes last: a study that it calls complete is not
 * written again.
 */
export async function writeStudy(folder: StudyFolder, study: Study): Promise<void> {
  await folder.arrange(study);
  const charts = studyCharts(study, folder.cells);
  if (study.kind === 'sweep' && charts.length > 0) await folder.writeFile('chart.svg', await lineChartSvg(charts));
  if (study.sensitivity)
    await folder.writeFile('chart.svg', await heatMapSvg(sensitivityMap(study.sensitivity, folder.cells)));
  await folder.write(study);
}

export function showStudy(
  options: { readonly json?: boolean; readonly csv?: boolean },
  { study, cells, folder, seconds }: Shown,
): void {
  if (options.csv) {
    print({}, undefined, () => studyCsv(study, cells));
    return;
  }
  const listed = study.cells.flatMap((id) => cells.get(id) ?? []);
  print(options, { ...study, cells: listed, output: folder, ...(seconds ? { seconds } : {}) }, () =>
    studyText(study, cells, folder, seconds),
  );
}
