// The options of every command, in the order of --help, and the types of their values.

import { nameOf } from '../platform/option-values.ts';
import { type OptionGroup, type OptionsOf, optionGroup, together } from './option-groups.ts';
import * as shared from './options.ts';
import { type OperationRequest, operationOptions, partOptions, spectrumOptions } from './recipes.ts';

const printing = together(shared.jsonOption, shared.quietOption);
const engine = together(shared.runtimeOptions, shared.engineOption, shared.networkOptions, shared.configOption);

/** A command's options, with those of its operation gathered into a request. */
export type WithOperation<Group> = OptionsOf<Group> & { readonly operation: OperationRequest };

export const runOptions = together(
  shared.modelOption,
  operationOptions({ writes: true }),
  shared.scoringOptions,
  shared.diagnosisOption,
  shared.noSamplesOption,
  shared.samplingOptions,
  shared.runOutputOptions,
  printing,
  engine,
  shared.memoryOption,
);
export type RunOptions = WithOperation<typeof runOptions>;

/** Shared by sweep and sensitivity. */
const studying = together(
  shared.scoringOptions,
  shared.noSamplesOption,
  shared.samplingOptions,
  shared.studyOutputOptions,
  printing,
  engine,
  shared.memoryOption,
  shared.shardOption,
);

export const sweepOptions = together(
  shared.modelOption,
  operationOptions({ takesSeveral: () => true }),
  shared.comparisonOptions,
  studying,
);
export type SweepOptions = WithOperation<typeof sweepOptions>;

export const sensitivityOptions = together(shared.modelOption, shared.unitOption, partOptions, studying);
export type SensitivityOptions = WithOperation<typeof sensitivityOptions>;

/** The options that sweep and sensitivity share. */
export type StudyOptions = OptionsOf<typeof studying> &
  OptionsOf<typeof shared.modelOption> &
  OptionsOf<typeof shared.dtypeOption> &
  Partial<OptionsOf<typeof shared.calibrationOptions>>;

export const mergeOptions = together(
  optionGroup('Output:', (command) =>
    command.option('--output <dir>', 'folder for the whole study (required)', shared.folder),
  ),
  shared.csvOption,
  printing,
  shared.configOption,
);
export type MergeOptions = OptionsOf<typeof mergeOptions>;

export const reportOptions = together(
  optionGroup('Output:', (command) =>
    command.option(
      '--output <file>',
      "the page (default: the folder's report.html, or results/side-by-side.html for several folders)",
      nameOf('--output', 'a file'),
    ),
  ),
  printing,
  shared.configOption,
);
export type ReportOptions = OptionsOf<typeof reportOptions>;

export const inspectOptions = together(
  shared.modelOption,
  spectrumOptions,
  shared.tensorsOption,
  shared.printedTextOptions,
  printing,
  shared.engineOption,
  shared.networkOptions,
  shared.configOption,
);
export type InspectOptions = WithOperation<typeof inspectOptions>;

export const generateOptions = together(
  shared.modelOption,
  operationOptions({ optional: true }),
  shared.samplingOptions,
  printing,
  engine,
);
export type GenerateOptions = WithOperation<typeof generateOptions>;

export const pullOptions = together(printing, shared.networkOptions, shared.configOption);
export type PullOptions = OptionsOf<typeof pullOptions>;

export const evalOptions = together(
  shared.modelOption,
  optionGroup('Model:', (command) =>
    command.option(
      '--base <ref>',
      'also report KL and same-top against this model, run in fp32',
      nameOf('--base', 'a checkpoint folder, pocket, or org/name', ['pocket']),
    ),
  ),
  operationOptions({ optional: true }),
  shared.scoringOptions,
  printing,
  engine,
  shared.memoryOption,
);
export type EvalOptions = WithOperation<typeof evalOptions>;

/** Options of a command that analyses the residual stream. @param own the command's own, with those of its text */
const analysing = <const Own extends readonly OptionGroup<never>[]>(...own: Own) =>
  together(
    shared.modelOption,
    operationOptions({ optional: true }),
    ...own,
    shared.analysisOptions,
    shared.analysisOutputOptions,
    printing,
    engine,
    shared.memoryOption,
  );

export const lensOptions = analysing(shared.readPromptOptions, shared.lensOptions, shared.optionalTextOptions);
export type LensOptions = WithOperation<typeof lensOptions>;

export const unlikelyOptions = analysing(shared.textOptions);
export type UnlikelyOptions = WithOperation<typeof unlikelyOptions>;

export const probeOptions = analysing(shared.textOptions);
export type ProbeOptions = WithOperation<typeof probeOptions>;

export const basisOptions = analysing(shared.basisOptions, shared.textOptions);
export type BasisOptions = WithOperation<typeof basisOptions>;

export const outliersOptions = together(
  shared.modelOption,
  shared.textOptions,
  shared.resultOutputOptions,
  printing,
  engine,
  shared.memoryOption,
);
export type OutliersOptions = OptionsOf<typeof outliersOptions>;

export const doctorOptions = together(shared.modelOption, printing, shared.networkOptions, shared.configOption);
export type DoctorOptions = OptionsOf<typeof doctorOptions>;
