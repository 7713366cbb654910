// The card of an edited checkpoint, README.md in its folder: what was done to it, what it cost, and the Hub's front matter.
import { basename } from 'node:path';
import type { Licence } from '../checkpoint/licence.ts';
import { describeRecipe } from '../operations/recipe.ts';
import type { RunResult } from '../results/run.ts';
import { trusted, unitsText } from './findings.ts';
import { between, counted, figure, percent, perplexity, withInterval } from './format.ts';
import { hasIntervals } from './scores.ts';
import { calibrationNotes, calibrationText, textNotes } from './terminal/text.ts';
import { runVerdict } from './verdict.ts';

/** @param licence of the original, undefined where nothing says it */
export function modelCard(whole: RunResult, licence: Licence | undefined): string {
  const run = trusted(whole, whole.text);
  const { model, cell, original, text, command, versions, dtype, precision } = run;
  const isOnHub = model.ref !== model.path && /^[\w.-]+\/[\w.-]+(@.+)?$/.test(model.ref);
  const [name = '', revision] = model.ref.split('@');
  const shown = model.ref === model.path ? basename(model.ref) : model.ref;
  const { scores } = cell;
  const interval = hasIntervals([scores]) ? ' [95 %]' : '';
  return `---
${[
  ...(isOnHub ? [`base_model: ${JSON.stringify(name)}`] : []),
  ...(licence ? [`license: ${JSON.stringify(licence.name)}`] : []),
  'library_name: transformers',
  'pipeline_tag: text-generation',
  'tags:',
  '  - surgery',
  ...cell.recipe.map(({ kind }) => `  - ${JSON.stringify(kind)}`).filter((tag, i, all) => all.indexOf(tag) === i),
].join('\n')}
---

# ${shown}, edited

The weights of ${shown}${revision ? ` (${revision})` : ''}, a ${model.architecture}, edited without training: ${describeRecipe(cell.recipe, model.layers)}. Weights in ${dtype}; SHA-256 of the
original's files: ${model.sha256}.

${runVerdict(run).join('\n')}

| | original | edited |
|---|---|---|
| perplexity | ${perplexity(original.scores.perplexity)} | ${perplexity(scores.perplexity)} |
| nll, nats per token | ${figure(original.scores.nll)} | ${figure(scores.nll)} |
| Δnll, edited − original${interval} | | ${withInterval(scores.deltaNll, scores.intervals.deltaNll ?? null)} |
| KL(original ‖ edited), nats per token${interval} | | ${figure(scores.kl)}${between(scores.intervals.kl)} |
| positions with the same top token | | ${percent(scores.sameTop)} |

Text: ${text.text}, ${unitsText(text)}, ${counted(text.tokens, 'token')} scored, at most ${text.maxTokens} tokens each. ${[`Rule: ${text.rule}.`, ...(interval ? [`Intervals: ${text.intervalRule}.`] : []), ...textNotes(text, [scores])].join(' ')} Computed in ${precision}.
${run.calibration ? `\nFitted to: ${[`${calibrationText(run.calibration)}.`, ...calibrationNotes(run.calibration)].join(' ')}\n` : ''}
Licence: ${licence ? `that of the original, ${licence.name}${licence.hasText ? ', in the file LICENSE' : ''}` : 'unknown; that of the original applies'}.

Made by surgery ${versions.surgery}; this command in a checkout of surgery makes it again:

\`\`\`
npx ${command}
\`\`\`
`;
}
