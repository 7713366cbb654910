// surgery sweep: a grid of operations on the same documents, with matched pairs and controls.

import { planSweep, type Sweep } from '../experiments/design.ts';
import type { Field, SweepPlan } from '../operations/kind.ts';
import { budgets } from '../operations/pca/design.ts';
import type { CompleteRecipe } from '../operations/recipe.ts';
import { kindOf, type Operation } from '../operations/registry.ts';
import { SurgeryError } from '../platform/errors.ts';
import { itemAt } from '../platform/indexing.ts';
import type { Study } from '../results/study.ts';
import type { SweepOptions } from './command-options.ts';
import { progressOf } from './model.ts';
import { equivalentsOf, kindNamed, namesOperation, recipesOf } from './recipes.ts';
import type { Recorded } from './recorded-command.ts';
import { makeStudy } from './study.ts';
import { printStudy } from './study-output.ts';

export async function sweep(options: SweepOptions, command: Recorded): Promise<void> {
  const finished = await makeStudy(
    options,
    async ({ config }) => {
      const { recipes, ...operation } = options.operation;
      const named = await recipesOf({ recipes }, config);
      const request = sweepOf(options);
      const isGrid = named.length === 0 || namesOperation({ ...operation, recipes: [] });
      const design = isGrid ? planSweep(request, config) : { cells: [], pairs: [], controls: [] };
      for (const line of isGrid ? equivalentsOf(options.operation, config) : []) progressOf(options).say(line);
      const cells: CompleteRecipe[] = [...design.cells.map((operation) => [operation]), ...named];
      const thresholds = request.kind === 'pca' && isGrid ? thresholdsOf(request) : [];
      return {
        kind: 'sweep',
        cells,
        relations: (ids) => relationsOf(design, ids),
        angles: options.controls ? thresholds : [],
      };
    },
    command,
  );
  printStudy(options, finished);
}

/** Splits the fields into those that vary, which are lists here, and the rest. @throws SurgeryError `usage` for options of another kind */
function sweepOf({ operation, match = [], controls = false }: SweepOptions): Sweep {
  const kind = kindNamed(operation);
  const { fields } = kindOf({ kind }) as { readonly fields: Readonly<Record<string, Field<unknown>>> };
  if (match.length > 0 && !Object.hasOwn(fields, 'match'))
    throw new SurgeryError('usage', `--match pairs modes of the kinds pca and fit, and ${kind} has none: leave it out`);
  const given = Object.entries(operation.fields);
  const isVaried = (key: string) => fields[key]?.several !== undefined;
  return {
    kind,
    varied: Object.fromEntries(given.filter(([key]) => isVaried(key))),
    fixed: Object.fromEntries(given.filter(([key]) => !isVaried(key))) as Partial<Operation>,
    match: [...new Set(match)],
    controls,
  };
}

function thresholdsOf({ varied }: Sweep): number[] {
  return budgets(varied as Parameters<typeof budgets>[0]).flatMap((budget) =>
    'variance' in budget ? [budget.variance] : [],
  );
}

/** Pairs and controls by the cells' ids, before any is measured. */
function relationsOf(
  { pairs, controls }: SweepPlan<unknown>,
  ids: readonly string[],
): Pick<Study, 'pairs' | 'controls'> {
  const name = (index: number) => itemAt(ids, index);
  return {
    pairs: pairs.map(({ rule, cell, partner }) => ({
      rule,
      cell: name(cell),
      partner: name(partner),
      difference: null,
      met: null,
    })),
    controls: controls.map(({ control, cell, of }) => ({
      control,
      cell: name(cell),
      of: of === undefined ? null : name(of),
      difference: null,
    })),
  };
}
