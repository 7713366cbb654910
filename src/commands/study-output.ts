// Prints a study, and writes its charts and HTML report to its folder.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { StudyFolder } from '../experiments/folder.ts';
import { otherCellsText, sensitivityMap, studyCharts } from '../report/cells.ts';
import { wrap } from '../report/format.ts';
import { studyPage } from '../report/html/study-page.ts';
import { heatMapSvg, lineChartSvg } from '../report/svg.ts';
import type { Progress } from '../report/terminal/progress.ts';
import { studyCsv, studyText } from '../report/terminal/study.ts';
import type { CellResult, Study } from '../results/study.ts';
import { print } from './model.ts';
import { nextSteps, partSteps } from './next-steps.ts';
import { isPart, type StudyPart } from './shard.ts';
import { afterStudy } from './suggestions.ts';

/** A study with its cells, ready to print. */
export interface FinishedStudy {
  readonly study: Study;
  readonly cells: ReadonlyMap<string, CellResult>;
  readonly folder: string;
  /** Cells of the study that the folder's page shows, where a larger one has these. */
  readonly ofLarger?: number;
  /** By step; undefined if the study was already complete. */
  readonly seconds?: Readonly<Record<string, number>>;
}

/** File name of the HTML report in a results folder. */
export const pageName = 'report.html';

/**
 * Writes the cells in order, the charts, the report, and last study.json, since a study marked complete there is never
 * written again.
 * @param whole false for one of several parts, which needs no report of its own
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

export function printStudy(
  options: { readonly json?: boolean; readonly csv?: boolean; readonly shard?: StudyPart | undefined },
  { study, cells, folder, ofLarger, seconds }: FinishedStudy,
): void {
  if (options.csv) {
    print({}, undefined, () => studyCsv(study, cells));
    return;
  }
  const listed = study.cells.flatMap((id) => cells.get(id) ?? []);
  const others = otherCellsText(study, cells);
  const hasPage = existsSync(join(folder, pageName));
  print(options, { ...study, cells: listed, output: folder, ...(seconds ? { seconds } : {}) }, () =>
    [
      studyText(study, cells, folder, seconds),
      ...(ofLarger
        ? [
            wrap(
              `The study in the folder, and its report, has ${ofLarger} cells; above are this command's ${listed.length}.`,
            ),
          ]
        : others
          ? [wrap(`${others}.`)]
          : []),
      isPart(options.shard)
        ? partSteps(study.command, folder, options.shard, existsSync)
        : nextSteps(afterStudy(study, cells), folder, hasPage ? pageName : undefined),
    ].join('\n'),
  );
}
