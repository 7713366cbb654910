// Options that have no effect next to the others: refused on the command line, passed over in a config file.
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { shareOnePca } from '../operations/pca/grouping.ts';
import type { PcaSpec } from '../operations/pca/spec.ts';
import { kindOf } from '../operations/registry.ts';
import { SurgeryError } from '../platform/errors.ts';
import { namesOperation, type OperationRequest, operationRequest } from './recipes.ts';

/** Parsed values by the options' names in camel case, and the kind of operation where an argument names it. */
interface Given {
  readonly command: string;
  readonly kind: string | undefined;
  readonly values: Readonly<Record<string, unknown>>;
}

interface Rule {
  /** Names in camel case. */
  readonly options: readonly string[];
  readonly isIdle: (given: Given) => boolean;
  /** Why, and what to do: follows "has no effect". */
  readonly why: string;
}

const draws = ['topP', 'topK'];
const prompting = ['prompt', 'chat', 'system', 'chatDate', 'raw', 'maxNewTokens', 'temperature', 'repetitionPenalty'];

const cutting = ['column', 'chunk', 'documents', 'maxTokens'];
const ofWeights = ['mode', 'targets', 'layers', 'center', 'balance', 'tensors', 'pcaEngine'];

const isLens = ({ command }: Given) => command === 'lens';
const isInspect = ({ command }: Given) => command === 'inspect';
const hasText = ({ values }: Given) => values.text !== undefined;
/** A lens reads prompts where they are given, and where no text is. */
const readsPrompt = (given: Given) =>
  given.values.prompt !== undefined || given.values.chat !== undefined || !hasText(given);
const writesText = ({ values }: Given) => 'temperature' in values && values.samples !== false;

const rules: readonly Rule[] = [
  {
    options: [...cutting, 'seed', 'full'],
    isIdle: (given) => (isLens(given) || isInspect(given)) && !hasText(given),
    why: 'without --text: give one, or leave it out',
  },
  {
    options: ofWeights,
    isIdle: (given) => isInspect(given) && hasText(given),
    why: 'on a text: it is of the weights, leave out one of the two',
  },
  {
    options: ['column'],
    isIdle: (given) => !hasText(given),
    why: 'without --text: name one with columns, or leave it out',
  },
  { options: ['questions'], isIdle: ({ values }) => values.tasks === undefined, why: 'without --tasks: name a file' },
  {
    options: ['topTokens', 'colour', 'system', 'chatDate', 'raw'],
    isIdle: (given) => isLens(given) && !readsPrompt(given),
    why: 'on a text: give --prompt or --chat, or leave it out',
  },
  {
    options: ['chatDate'],
    isIdle: (given) => isLens(given) && given.values.chat === undefined && given.values.system === undefined,
    why: 'on prompts that are read verbatim: add --chat, or leave it out',
  },
  {
    options: [...prompting, ...draws, 'seed'],
    isIdle: ({ values }) => values.samples === false,
    why: 'with --no-samples: leave one out',
  },
  {
    options: draws,
    isIdle: (given) => writesText(given) && given.values.temperature === 0,
    why: 'at --temperature 0, which is greedy: leave it out',
  },
  {
    options: ['sparsity'],
    isIdle: ({ values }) => values.method !== 'dictionary',
    why: 'on other methods than a dictionary: add --method dictionary, or leave it out',
  },
  { options: ['force'], isIdle: ({ values }) => values.output === undefined, why: 'without --output: name the folder' },
  {
    options: ['maxShardSize'],
    isIdle: ({ values }) => values.save === false,
    why: 'with --no-save, as no checkpoint is written: leave one out',
  },
  {
    options: ['dtype', 'pcaEngine'],
    isIdle: (given) => isOptional(given) && !namesOperation(requestOf(given)),
    why: 'without an operation: add one, such as --variance 0.9, or leave it out',
  },
  {
    options: ['pcaEngine'],
    isIdle: (given) => (requestOf(given).kind ?? 'pca') !== 'pca',
    why: 'on a kind that computes no PCA: leave it out',
  },
  {
    options: ['calibration', 'calibrationTokens', 'allowLeak'],
    isIdle: (given) => looksAtNoText(requestOf(given)),
    why: 'on an operation that looks at no text: leave it out',
  },
  {
    options: ['match', 'controls'],
    isIdle: (given) => {
      const { recipes, ...operation } = requestOf(given);
      return recipes.length > 0 && !namesOperation({ ...operation, recipes: [] });
    },
    why: 'on recipes alone: add options of an operation, such as --variance 0.9, or leave it out',
  },
  {
    options: ['mean'],
    isIdle: ({ values }) => values.center === false,
    why: 'with --center off, as no means are subtracted: leave one out',
  },
  {
    options: ['balance'],
    isIdle: ({ command, values: { mode, targets } }) =>
      modesOf(command, mode).every((one) => !shareOnePca(one, targets as PcaSpec['targets'])),
    why: 'where no projections share a PCA: choose a shared --mode, or leave it out',
  },
];

/** Commands that leave the model as it is unless their options name an operation. */
const isOptional = ({ command }: Given) => !['run', 'sweep', 'sensitivity', 'inspect'].includes(command);

/** Whether no operation looks at a calibration text; of recipe files this is not known yet. */
function looksAtNoText({ kind = 'pca', fields, recipes }: OperationRequest): boolean {
  if (recipes.length > 0) return false;
  return kindOf({ kind }).needs === undefined || [fields.objective].flat().join() === 'weights';
}

const requestOf = ({ values, kind }: Given) => operationRequest(values, kind);

function modesOf(command: string, mode: unknown): NonNullable<PcaSpec['mode']>[] {
  if (mode === undefined) return command === 'sweep' ? ['separate', 'shared-kv'] : ['shared-kv'];
  return [mode].flat() as NonNullable<PcaSpec['mode']>[];
}

/** An option, and why it has no effect. */
interface IdleOption {
  readonly option: Option;
  readonly why: string;
}

/** The options of a parsed command, set by its command line or by a config file, that do nothing next to the others. */
export function idleOptions(command: CommandUnknownOpts, source: 'cli' | 'config'): IdleOption[] {
  const [argument] = command.registeredArguments;
  const kind = argument?.name() === 'kind' ? command.args[0] : undefined;
  const given: Given = { command: command.name(), kind, values: command.opts() };
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== source) return [];
    const rule = rules.find((one) => one.options.includes(name) && one.isIdle(given));
    return rule ? [{ option, why: rule.why }] : [];
  });
}

/** @throws SurgeryError `usage` for an option of the command line that would have no effect */
export function refuseIdle(command: CommandUnknownOpts): void {
  const [idle] = idleOptions(command, 'cli');
  if (idle) throw new SurgeryError('usage', `${idle.option.long} has no effect ${idle.why}`);
}
