// The command to try after a result: where the finding points, in the words of the kind of operation.
import { join } from 'node:path';
import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';
import type { OutliersResult } from '../analyses/outliers/result.ts';
import { kindOf } from '../operations/registry.ts';
import { commandLine, quoted, wordsOf } from '../platform/command-line.ts';
import { type Cells, gridCells, pcaOf } from '../report/cells.ts';
import { worstOutlier } from '../report/findings.ts';
import { weightName } from '../report/terminal/outliers.ts';
import { isBroken, isSevere, largestEffects, singleEffects } from '../report/verdict.ts';
import type { RunResult } from '../results/run.ts';
import type { Study } from '../results/study.ts';
import { outliersOptions, runOptions, sensitivityOptions, sweepOptions } from './command-options.ts';
import { calibrationOptions, textOptions } from './options.ts';
import { recipeName } from './output.ts';
import { optionWords } from './recorded-command.ts';

/** After a run: what its kind of operation suggests, in the layers that do not break the model if others do. */
export function afterRun({ cell, model, diagnosis, command }: RunResult, folder: string): string {
  const [operation, ...others] = cell.recipe;
  if (!operation || others.length > 0)
    return onTexts(onModel(`lens --recipe ${quoted(join(folder, recipeName))}`, model.ref), command);
  const { rest } = diagnosis ?? {};
  const found = { isSevere: isSevere(cell.scores), isSwept: false, ...(rest?.works ? { sound: rest.layers } : {}) };
  return onTexts(onModel(kindOf(operation).next(operation, found, model.layers), model.ref), command);
}

/**
 * After a sweep: what the mildest cell that breaks the model suggests, or else the
 * most damaged one. After a sensitivity study: the operation without the layers that hold the damage.
 */
export function afterStudy(study: Study, cells: Cells): string {
  const { model, sensitivity } = study;
  const candidates = sensitivity
    ? sensitivity.joint.flatMap((id) => cells.get(id) ?? [])
    : gridCells(study, cells).filter((cell) => !pcaOf(cell)?.match);
  const byKl = candidates.toSorted((a, b) => a.scores.kl - b.scores.kl);
  const cell = byKl.find(({ scores }) => isBroken(scores)) ?? byKl.at(-1);
  const operation = cell?.recipe[0];
  if (!cell || !operation) return onModel('run', model.ref);
  const sound = sensitivity ? soundLayers(study, cells, sensitivity.joint.indexOf(cell.id)) : [];
  const found = {
    isSevere: isSevere(cell.scores),
    isSwept: !sensitivity,
    ...(sound.length > 0 ? { sound } : {}),
  };
  return onTexts(onModel(kindOf(operation).next(operation, found, model.layers), model.ref), study.command);
}

/** After a list of outliers: what the model is without the weight that adds most. */
export function afterOutliers(result: OutliersResult): string | undefined {
  const worst = worstOutlier(result);
  if (!worst) return undefined;
  const weight = quoted(weightName(worst));
  return onTexts(onModel(`eval --kind zero --weights ${weight}`, result.model.ref), result.command);
}

/** Layers other than those that hold the damage; none if most layers do, or if effects are known by projection only. */
function soundLayers(study: Study, cells: Cells, threshold: number): number[] {
  if (study.sensitivity?.by === 'projection') return [];
  const effects = singleEffects(study, cells, threshold);
  const layers = [...new Set(effects.flatMap((effect) => effect.layers))];
  const damaged = new Set(largestEffects(effects).worst.flatMap((effect) => effect.layers));
  return 2 * damaged.size > layers.length ? [] : layers.filter((layer) => !damaged.has(layer));
}

/** A command's words with its model after the command's name. */
function onModel(words: string, ref: string): string {
  return words.replace(/^\w+/, (command) => `${command} --model ${quoted(ref)}`);
}

/** Commands whose results hold what was scored. */
const scoring = { run: runOptions, sweep: sweepOptions, sensitivity: sensitivityOptions, outliers: outliersOptions };

/** A command on the texts of another one, cut as there: the one that it calibrated on, and, but for a lens, the scored one. */
function onTexts(words: string, scored: string): string {
  const [, name = '', ...argv] = wordsOf(scored);
  const command = new Command();
  for (const [own, declare] of Object.entries(scoring)) if (own === name) declare(command);
  const declared = words.startsWith('lens') ? [calibrationOptions] : [textOptions, calibrationOptions];
  const ofTexts = declared.flatMap((declare) => declare(new Command()).options.map(({ long }) => long));
  const kept = optionWords(command as unknown as CommandUnknownOpts, argv).filter(
    ({ option }) => option && ofTexts.includes(option),
  );
  return [words, ...kept.map((one) => commandLine(one.words))].join(' ');
}
