// The options that commands share: each option's flags, parser, default and help stand here and nowhere else.
import { Option } from '@commander-js/extra-typings';
import { basisMethods } from '../analyses/basis/methods.ts';
import { colours } from '../analyses/lens/statistics/registry.ts';
import { weightDtypes } from '../checkpoint/dtypes.ts';
import { units } from '../experiments/design.ts';
import { defaultMaxNewTokens, defaultSampling } from '../generate/defaults.ts';
import { pcaEngines } from '../operations/kind.ts';
import { matchRules } from '../operations/pca/spec.ts';
import { cores } from '../platform/limits.ts';
import { bytes, day, listOf, nameOf, number, oneOf, repeatable, whole } from '../platform/option-values.ts';
import { chunkRules } from '../text/windows.ts';
import { type OptionsOf, optionGroup, together } from './option-groups.ts';
import { parseShard } from './shard.ts';

export const modelOption = optionGroup('Model:', (command) =>
  command.option(
    '--model <ref>',
    'checkpoint folder, pocket (built in), or org/name[@revision] from the Hugging Face Hub, downloaded if not cached (default: TinyLlama, or pocket where that is out of reach)',
    nameOf('--model', 'a checkpoint folder, pocket, or org/name', ['pocket']),
  ),
);

/** For every command that may use the Hub. */
export const networkOptions = optionGroup('Machine:', (command) =>
  command.option('--offline', 'make no network requests, as with HF_HUB_OFFLINE=1'),
);

export const jsonOption = optionGroup('Output:', (command) =>
  command.option('--json', 'print the result as one JSON document'),
);

export const quietOption = optionGroup('Output:', (command) => command.option('--quiet', 'print no progress'));

export const csvOption = optionGroup('Output:', (command) =>
  command.addOption(new Option('--csv', 'print the cells as comma-separated values').conflicts('json')),
);

export const configOption = optionGroup('Machine:', (command) =>
  command.option(
    '--config <file>',
    'JSON file with defaults for these options (default: surgery.config.json, if there is one in this folder)',
    nameOf('--config', 'a JSON file'),
  ),
);

/** Parser of --output for commands that write a folder. */
export const folder = nameOf('--output', 'a folder');

/** Speed and precision of the forward passes. */
export const runtimeOptions = optionGroup('Machine:', (command) => {
  const threads = new Option('--threads <n>', `threads (default: ${cores()}, one per core)`).argParser(threadCount);
  // An empty variable counts as unset.
  if (process.env.SURGERY_THREADS !== '') threads.env('SURGERY_THREADS');
  return command
    .option(
      '--precision <p>',
      'fp32 (exact), or int8 (products of 8-bit integers)',
      oneOf('--precision', ['fp32', 'int8']),
      'fp32',
    )
    .addOption(threads);
});

function threadCount(value: string): number {
  return whole(value === process.env.SURGERY_THREADS ? 'SURGERY_THREADS' : '--threads', 1, 256)(value);
}

export const memoryOption = optionGroup('Machine:', (command) =>
  command.option(
    '--memory <size>',
    'most memory for the weights and activations of a forward pass, such as 6GB; the program and the operation itself take some more (default: half of what is free)',
    bytes('--memory'),
  ),
);

export const engineOption = optionGroup('Machine:', (command) =>
  command.option(
    '--pca-engine <engine>',
    'native, or ml-pca: an independent library to check against, very slow on large matrices',
    oneOf('--pca-engine', pcaEngines),
    'native',
  ),
);

/** @param what is in that dtype */
const dtypeOf = (what: string) =>
  optionGroup('Operation:', (command) =>
    command.option(
      '--dtype <dtype>',
      `dtype of ${what}: ${weightDtypes.join(', ')} (default: as in the original)`,
      oneOf('--dtype', weightDtypes),
    ),
  );
/** For a command that writes a checkpoint. */
export const fileDtypeOption = dtypeOf('all weights of the written checkpoint');
export const dtypeOption = dtypeOf('the edited weights');

export const comparisonOptions = optionGroup('Comparisons:', (command) =>
  command
    .option(
      '--match <rule,...>',
      `pair each shared cell with a separate cell of equal variance, ${matchRules.join(', ')}`,
      listOf(oneOf('--match', ['variance', ...matchRules] as const)),
    )
    .option(
      '--controls',
      'add control cells: no operation, full rank, random directions, noise of equal norm, k with the v of another layer',
    ),
);

export const unitOption = optionGroup('Operation:', (command) =>
  command.option(
    '--by <unit>',
    `operate on one of these at a time: layer, projection (in all layers), both (a projection in a layer); of kinds that cut units, such as zero: ${units.slice(3).join(', ')}`,
    oneOf('--by', units),
    'layer',
  ),
);

const systemOption = (more = '') =>
  new Option(
    '--system <text>',
    `system message for every prompt${more} (default: the chat template's own, if it has one)`,
  ).conflicts('raw');
const chatDateOption = () =>
  new Option(
    '--chat-date <date>',
    'date that the chat template sees, such as 2026-01-31 (default: 2024-07-26 for templates of Llama 3, else today)',
  )
    .argParser(day('--chat-date'))
    .conflicts('raw');
const conversations = 'conversations instead of prompts: a JSON list of {"role", "content"}, or a list of such lists';

export const promptOptions = optionGroup('Samples:', (command) =>
  command
    .option(
      '--prompt <text>',
      'prompt, repeatable; wrapped in the chat template if the model has one; - reads it from standard input',
      repeatable((text) => text),
    )
    .addOption(
      new Option('--chat <file>', conversations)
        .argParser(nameOf('--chat', 'a JSON file'))
        .conflicts(['prompt', 'raw']),
    )
    .addOption(systemOption())
    .addOption(chatDateOption())
    .option('--raw', 'use prompts verbatim, without the chat template'),
);

/** A lens reads a prompt as it is, unless the chat template is asked for. */
export const readPromptOptions = optionGroup('Prompt:', (command) =>
  command
    .option(
      '--prompt <text>',
      'prompt, repeatable; read as it is, without the chat template; - reads it from standard input',
      repeatable((text) => text),
    )
    .addOption(
      new Option('--chat [file]', `wrap prompts in the chat template; with a file, ${conversations}`)
        .argParser(nameOf('--chat', 'a JSON file'))
        .conflicts('raw'),
    )
    .addOption(systemOption(', which it wraps too'))
    .addOption(chatDateOption())
    .option('--raw', 'the default: read prompts verbatim'),
);

export const samplingOptions = together(
  promptOptions,
  optionGroup('Samples:', (command) =>
    command
      .option(
        '--max-new-tokens <n>',
        'longest continuation, in tokens',
        whole('--max-new-tokens', 1),
        defaultMaxNewTokens,
      )
      .option(
        '--temperature <t>',
        'sampling temperature; 0 is greedy',
        number('--temperature', 0, 100),
        defaultSampling.temperature,
      )
      .option(
        '--top-p <p>',
        'nucleus sampling: the most likely tokens that add up to this probability',
        number('--top-p', 0, 1, true),
        defaultSampling.topP,
      )
      .option(
        '--top-k <k>',
        'sample from the k most likely tokens; 0 for all',
        whole('--top-k', 0),
        defaultSampling.topK,
      )
      .option(
        '--repetition-penalty <r>',
        'above 1 makes repeated tokens less likely; 1 has no effect',
        number('--repetition-penalty', 0, 100, true),
        defaultSampling.repetitionPenalty,
      )
      .option('--seed <n>', 'random seed; the same seed gives the same text', whole('--seed', 0), 0),
  ),
);

const textOptionsWith = (byDefault: string) =>
  optionGroup('Text:', (command) =>
    command
      .option(
        '--text <file>',
        `.txt (documents separated by a line <|end|>), .json, .jsonl, .csv, .tsv or .parquet, optionally .gz; - for standard input; hub:org/dataset[@revision][/config[/split]]; or builtin:pocket, builtin:passages (default: ${byDefault})`,
        nameOf('--text', 'a file, - or hub:org/dataset'),
      )
      .option(
        '--column <name>',
        'table column or JSON field that holds the text (default: text)',
        nameOf('--column', 'a column'),
      )
      .option('--documents <n>', 'use only the first n documents or windows', whole('--documents', 1))
      .option(
        '--max-tokens <n>',
        "truncate documents, or cut the stream into windows, at n tokens (default: the model's context length)",
        whole('--max-tokens', 2),
      )
      .option(
        '--chunk <rule>',
        'documents: each on its own, truncated; stream: all joined, in consecutive windows (default: documents)',
        oneOf('--chunk', chunkRules),
      ),
  );

export const textOptions = textOptionsWith(
  'for a checkpoint that run wrote, the text that run scored; else a built-in text',
);

/** Where prompts may be read instead of a text. */
export const optionalTextOptions = textOptionsWith('none, only prompts');

/** Where a text may be printed instead of what is known of the weights. */
export const printedTextOptions = textOptionsWith('none, only weights');

export const scoringOptions = together(
  textOptions,
  optionGroup('Text:', (command) =>
    command
      .option(
        '--tasks <file>',
        '.jsonl or .json of multiple-choice questions: {"task", "context", "choices", "answer"}',
        nameOf('--tasks', 'a file of questions'),
      )
      .option('--questions <n>', 'use only the first n questions', whole('--questions', 1)),
  ),
);

/** The text that operations may be fitted to. */
export const calibrationOptions = optionGroup('Calibration:', (command) =>
  command
    .option(
      '--calibration <text>',
      'text whose activations an operation looks at: a file or hub:org/dataset as for --text, token ids in JSON, or builtin (for pocket, its training stories, the default there; else the built-in passages)',
      nameOf('--calibration', 'a file, hub:org/dataset or builtin', ['builtin']),
    )
    .option(
      '--calibration-tokens <n>',
      'tokens of it to read, at most (default: 32,768; for pocket 16,384)',
      whole('--calibration-tokens', 2),
    )
    .option('--allow-leak', 'calibrate also on text that is scored; every table then says so'),
);

/** For the commands that analyse the residual stream. */
export const analysisOptions = optionGroup('Analysis:', (command) =>
  command
    .option('--sublayers', 'also look between the attention and the MLP of each block')
    .option('--seed <n>', 'random seed; the same seed gives the same figures', whole('--seed', 0), 0),
);

export const resultOutputOptions = optionGroup('Output:', (command) =>
  command
    .option('--output <dir>', 'also write the result, charts and an HTML report to this folder', folder)
    .option('--force', 'replace earlier results in --output'),
);

export const analysisOutputOptions = together(
  optionGroup('Output:', (command) =>
    command.option('--full', 'print all tables, not only the result in brief; --output writes them in any case'),
  ),
  resultOutputOptions,
);

export const lensOptions = optionGroup('Analysis:', (command) =>
  command
    .option(
      '--top-tokens <k>',
      'most likely tokens to list at each layer and position',
      whole('--top-tokens', 1, 1000),
      5,
    )
    .option(
      '--colour <value>',
      `value that colours the heat map: ${colours.join(', ')}`,
      oneOf('--colour', colours),
      'probability',
    ),
);

export const basisOptions = optionGroup('Analysis:', (command) =>
  command
    .option(
      '--of <matrix>',
      'embed, or unembed (with the final norm folded in)',
      oneOf('--of', ['embed', 'unembed']),
      'embed',
    )
    .option('--method <method>', `decomposition: ${basisMethods.join(', ')}`, oneOf('--method', basisMethods), 'pca')
    .option(
      '--components <k>',
      'number of directions (default: 64, at most the hidden size; for a dictionary twice the hidden size)',
      whole('--components', 1),
    )
    .option('--sparsity <s>', 'dictionary atoms per token', whole('--sparsity', 1, 256), 8),
);

export const runOutputOptions = optionGroup('Output:', (command) =>
  command
    .option('--output <dir>', 'folder for the results (default: a new one in results/)', folder)
    .option('--force', 'replace earlier results in --output')
    .option('--no-save', 'do not write the edited checkpoint')
    .option(
      '--max-shard-size <size>',
      'split the checkpoint into files of at most this size, such as 1GB or 500MB (default: as in the original)',
      bytes('--max-shard-size'),
    ),
);

export const tensorsOption = optionGroup('Output:', (command) =>
  command.option('--tensors', 'a line for every tensor (default: one for each kind of tensor)'),
);

export const diagnosisOption = optionGroup('Text:', (command) =>
  command.option('--no-diagnosis', 'do not look for the layers that break a model, where an operation does'),
);

export const noSamplesOption = optionGroup('Samples:', (command) =>
  command.option('--no-samples', 'score only, generate no text'),
);

export const studyOutputOptions = together(
  optionGroup('Output:', (command) =>
    command.option(
      '--output <dir>',
      'folder for the study; an unfinished study in it is continued (default: in results/, named after the command)',
      folder,
    ),
  ),
  csvOption,
);

export const shardOption = optionGroup('Machine:', (command) =>
  command.option(
    '--shard <i/n>',
    'compute only part i of n (default: from SLURM_ARRAY_TASK_ID, or JOB_COMPLETION_INDEX and JOB_COMPLETIONS)',
    parseShard,
  ),
);

/** The model, network and output options of every command that opens a model. */
export type ModelOptions = OptionsOf<typeof modelOption> &
  OptionsOf<typeof networkOptions> &
  OptionsOf<typeof jsonOption> &
  OptionsOf<typeof quietOption>;
export type RuntimeOptions = OptionsOf<typeof runtimeOptions>;
export type PromptOptions = Omit<OptionsOf<typeof promptOptions>, 'chat'> & {
  /** A file of conversations; `true` for prompts in the chat template, which a model then has to have. */
  readonly chat?: string | boolean | undefined;
};
export type SamplingOptions = OptionsOf<typeof samplingOptions>;
export type CalibrationOptions = OptionsOf<typeof calibrationOptions>;
export type ScoringOptions = OptionsOf<typeof scoringOptions>;
export type RunOutputOptions = OptionsOf<typeof runOutputOptions>;
/** How edited weights are computed and rounded, whatever the operation. */
export type MemoryOptions = OptionsOf<typeof memoryOption>;
export type WeightOptions = OptionsOf<typeof engineOption> & OptionsOf<typeof dtypeOption>;
export type AnalysisOptions = OptionsOf<typeof analysisOptions> & OptionsOf<typeof analysisOutputOptions>;
