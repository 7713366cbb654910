// A study on stdout, and its pictures and its page in its folder.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { StudyFolder } from '../experiments/folder.ts';
import { sensitivityMap, studyCharts } from '../report/cells.ts';
import { studyPage } from '../report/html/study-page.ts';
import { heatMapSvg, lineChartSvg } from '../report/svg.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { studyCsv, studyText } from '../report/terminal/study.ts';
import type { CellResult, Study } from '../results/study.ts';
import { print } from './model.ts';
import { closingLines } from './next-steps.ts';

/** What is shown of a study. */
export interface Shown {
  readonly study: Study;
  readonly cells: ReadonlyMap<string, CellResult>;
  readonly folder: string;
  /** Nothing for a study that had been finished before. */
  readonly seconds?: Readonly<Record<string, number>>;
}

/** The page in a folder of results. */
export const pageName = 'report.html';

/**
 * Writes the cells in their order, the charts, the page, and study.json. That comes last: a study that it calls complete
 * is not written again.
 * @param whole not a part of a study, which is joined with others and needs no page of its own
 */
export async function writeStudy(folder: StudyFolder, study: Study, whole: boolean, progress: Progress): Promise<void> {
  await folder.arrange(study);
  const charts = studyCharts(study, folder.cells);
  if (study.kind === 'sweep' && charts.length > 0) await folder.writeFile('chart.svg', await lineChartSvg(charts));
  if (study.sensitivity)
    await folder.writeFile('chart.svg', await heatMapSvg(sensitivityMap(study.sensitivity, folder.cells)));
  if (whole) {
    const page = await progress.step('Drawing the report', 'pages', () => studyPage(study, folder.cells));
    await folder.writeFile(pageName, page.value);
  }
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
  const hasPage = existsSync(join(folder, pageName));
  print(options, { ...study, cells: listed, output: folder, ...(seconds ? { seconds } : {}) }, () =>
    [
      studyText(study, cells, folder, seconds),
      closingLines(study.kind, study.model.ref, folder, hasPage ? pageName : undefined),
    ].join('\n'),
  );
}
