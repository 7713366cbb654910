// surgery outliers: the largest numbers around each down projection, and the single weights behind them.
import { findOutliers } from '../analyses/outliers/outliers.ts';
import type { OutliersResult } from '../analyses/outliers/result.ts';
import { SurgeryError } from '../platform/errors.ts';
import { pasteable } from '../platform/program.ts';
import { lineChartSvg } from '../report/svg.ts';
import { outlierCharts, outliersText } from '../report/terminal/outliers.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { analysisInfo, requireAnalysisOutput, withReport, writeAnalysis } from './analysis-output.ts';
import type { OutliersOptions } from './command-options.ts';
import { identify, openModel, print, progressOf } from './model.ts';
import type { Recorded } from './recorded-command.ts';
import { scoringInput, textRead } from './scoring.ts';
import { afterOutliers } from './suggestions.ts';

export async function outliers(options: OutliersOptions, command: Recorded): Promise<void> {
  if (options.precision === 'int8')
    throw new SurgeryError('usage', '--precision int8: outliers looks at the model in fp32, leave it out');
  const progress = progressOf(options);
  const model = await openModel(options.model, options);
  const tokenizer = await Tokenizer.open(model.checkpoint);
  const scoring = await scoringInput(options, model, tokenizer);
  const { documents, about } = scoring;
  await requireAnalysisOutput(options, 'outliers');
  const { value: layers } = await progress.step('Reading the text', 'blocks', (onBlock) =>
    findOutliers(model.checkpoint, documents, (id) => tokenizer.spelled(id), options, onBlock),
  );
  const result: OutliersResult = {
    ...analysisInfo({ ...options, seed: 0 }, command, model, await identify(model, progress), { scoring }),
    text: { ...textRead(about), positions: documents.reduce((sum, { length }) => sum + length, 0) },
    layers,
  };
  const charts = async () => ({ 'outliers.svg': await lineChartSvg(outlierCharts(result)) });
  await writeAnalysis(options, 'outliers', result, charts, progress);
  print(options, result, () => {
    const next = afterOutliers(result);
    return `${withReport(outliersText(result, options.output), options)}${next ? `\nNext       ${pasteable(next, 11)}` : ''}`;
  });
}
