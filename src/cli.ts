#!/usr/bin/env node
// argv → command → exit code. The only place that ends the process: 0 done, 2 the user's mistake, 1 a bug, 130 Ctrl-C.
import { createRequire } from 'node:module';
import { Command, CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';
import * as declared from './commands/command-options.ts';
import { completionScript, shells } from './commands/completion.ts';
import { applyConfig } from './commands/config.ts';
import { helpWidth, layOutHelp } from './commands/help.ts';
import { refuseIdle } from './commands/idle-options.ts';
import { explained, refuseStrayWords, wordsToParse } from './commands/mistakes.ts';
import { kindHelp, type OperationRequest, offeredKinds, operationRequest } from './commands/recipes.ts';
import { type Recorded, recordedCommand } from './commands/recorded-command.ts';
import { type StudyPart, shardFromEnvironment } from './commands/shard.ts';
import { messageOf, refusal, SurgeryError } from './platform/errors.ts';
import { restartForLargeModels } from './platform/huge-pages.ts';
import { suggested } from './platform/option-values.ts';
import { pasteable, programName } from './platform/program.ts';
import { finish, tidyUp, whatIsLeft, willLeave } from './platform/shutdown.ts';
import { hasColour, styled } from './report/screen.ts';

const { version } = createRequire(import.meta.url)('../package.json');

/** An action imports its command's code when it is called, so that --help need not wait for native modules. */
function buildProgram(argv: readonly string[]): CommandUnknownOpts {
  const program = new Command('surgery')
    .description('Edit weights of Llama-architecture models on a CPU, and measure what is lost.')
    .version(version)
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `Options of a command: ${programName()} <command> --help. Start with ${programName()} doctor.`,
    )
    .exitOverride()
    .configureOutput({
      writeErr: () => {},
      getOutHelpWidth: () => helpWidth(process.stdout.columns, process.env),
    });
  const command = (name: string, description: string, examples: readonly string[]) =>
    program
      .command(name)
      .description(description)
      .helpOption('-h, --help', 'show this help')
      .allowExcessArguments() // refused below, with a word on where they belong
      .addHelpText(
        'after',
        `\nExamples:\n${examples.map((example) => `  ${pasteable(`${name} ${example}`, 2)}`).join('\n')}`,
      );

  let recorded: Recorded = () => '';
  program.hook('preAction', (_, called) => {
    refuseStrayWords(called, argv);
    if (!called.options.some(({ long }) => long === '--config')) return;
    const { file, names, words } = applyConfig(program as unknown as CommandUnknownOpts, called);
    if (names.length > 0 && !called.opts().quiet) process.stderr.write(`Options from ${file}: ${names.join(' ')}\n`);
    refuseIdle(called);
    recorded = recordedCommand(called, argv, words);
  });

  program.commandsGroup('Try:');
  declared
    .runOptions(
      command('run', 'one experiment: edit the weights, compare text and scores', [
        '--variance 0.3',
        'zero --heads 2.5,0.0',
        '--model ./my-llama --mode separate --prompt "The sea"',
      ]),
    )
    .argument('[kind]', kindHelp, suggested(offeredKinds))
    .action(async (kind, options) => (await import('./commands/run.ts')).run(withOperation(options, kind), recorded));

  declared
    .generateOptions(
      command('generate', 'continue prompts', [
        '--model pocket --prompt "Once upon a time"',
        '--temperature 0 --max-new-tokens 20',
      ]),
    )
    .action(async (options) => (await import('./commands/generate.ts')).generate(withOperation(options), recorded));

  declared
    .doctorOptions(command('doctor', 'check this machine, and which model sizes fit it', ['', '--json']))
    .action(async (options) => (await import('./commands/doctor.ts')).doctor(options));

  program.commandsGroup('Study:');
  declared
    .sweepOptions(
      command('sweep', 'many operations on one text, with matched pairs and controls', [
        '--variance 0.99,0.9,0.5 --mode separate,shared-kv',
        '--variance 0.9,0.5 --mode shared-kv --match width --controls',
      ]),
    )
    .argument('[kind]', kindHelp, suggested(offeredKinds))
    .hook('preAction', announceContinuation)
    .action(async (kind, options) =>
      (await import('./commands/sweep.ts')).sweep(withShard(withOperation(options, kind)), recorded),
    );

  declared
    .sensitivityOptions(
      command('sensitivity', 'operate on one layer, projection or head at a time, then on all', [
        '--variance 0.9,0.5',
        '--by both --variance 0.5 --no-samples',
        'zero --by head --no-samples',
      ]),
    )
    .argument('[kind]', kindHelp, suggested(offeredKinds))
    .hook('preAction', announceContinuation)
    .action(async (kind, options) =>
      (await import('./commands/sensitivity.ts')).sensitivity(withShard(withOperation(options, kind)), recorded),
    );

  declared
    .evalOptions(
      command('eval', 'score text and multiple-choice questions', [
        '--model pocket --text stories.txt',
        '--model results/my-run/model --base pocket --max-tokens 256',
        '--text hub:Salesforce/wikitext/wikitext-2-raw-v1 --chunk stream',
      ]),
    )
    .action(async (options) => (await import('./commands/evaluate.ts')).evaluate(withOperation(options), recorded));

  declared
    .reportOptions(
      command('report', 'rebuild the HTML report of results, or combine several', [
        'results/reference',
        'results/study-a results/study-b --output side-by-side.html',
        'results/study results/lens results/probe --output study.html',
      ]),
    )
    .argument('<dir...>', 'results of run, sweep, sensitivity, merge, lens, unlikely, outliers, probe or basis')
    .action(async (folders, options) => (await import('./commands/report.ts')).report(folders, options, recorded()));

  declared
    .mergeOptions(
      command('merge', 'join the parts of a study that several machines computed', [
        'results/study/part-* --output results/study',
      ]),
    )
    .argument('<dir...>', 'folders of the parts, in any order')
    .action(async (folders, options) => (await import('./commands/merge.ts')).merge(folders, options));

  program.commandsGroup('Look inside:');
  declared
    .lensOptions(
      command('lens', 'logit lens: unembed the residual stream at every layer', [
        '--prompt "Once upon a time" --colour rank',
        '--text stories.txt --variance 0.5 --output results/lens',
      ]),
    )
    .action(async (options) => (await import('./commands/lens.ts')).lens(withOperation(options), recorded));

  declared
    .unlikelyOptions(
      command('unlikely', 'test whether directions of near-impossible tokens are reused', [
        '--model pocket',
        '--text stories.txt --documents 50 --output results/unlikely',
      ]),
    )
    .action(async (options) => (await import('./commands/unlikely.ts')).unlikely(withOperation(options), recorded));

  declared
    .outliersOptions(
      command('outliers', 'largest MLP inputs and outputs, and the weights behind them', [
        '--model pocket',
        '--text stories.txt --documents 50 --output results/outliers',
      ]),
    )
    .action(async (options) => (await import('./commands/outliers.ts')).outliers(options, recorded));

  declared
    .probeOptions(
      command('probe', 'linear probes that recover the input token at every layer', [
        '--model pocket',
        '--mode shared-kv --variance 0.5 --output results/probe',
      ]),
    )
    .action(async (options) => (await import('./commands/probe.ts')).probe(withOperation(options), recorded));

  declared
    .basisOptions(
      command('basis', 'ordered basis of the embedding or unembedding, what lies along it', [
        '--model pocket --of unembed --method pca',
        '--model pocket --method dictionary --components 256',
      ]),
    )
    .action(async (options) => (await import('./commands/basis.ts')).basis(withOperation(options), recorded));

  declared
    .inspectOptions(
      command('inspect', 'list tensors and spectra, or print a text as it is scored', [
        '--model pocket',
        '--mode separate --json',
        '--text builtin:passages',
      ]),
    )
    .action(async (options) => (await import('./commands/inspect.ts')).inspect(withOperation(options)));

  program.commandsGroup('Housekeeping:');
  declared
    .pullOptions(
      command('pull', 'download a model from the Hugging Face Hub, or update it', [
        'TinyLlama/TinyLlama-1.1B-Chat-v1.0',
        'org/name@revision --json',
      ]),
    )
    .argument('<ref>', 'org/name[@revision]')
    .action(async (ref, options) => (await import('./commands/pull.ts')).pull(ref, options));

  command('completion', 'print a completion script for a shell', ['bash', 'fish | source'])
    .argument('<shell>', shells.join(', '), suggested(shells))
    .action((shell) => {
      process.stdout.write(completionScript(shell, program as unknown as CommandUnknownOpts));
    });
  layOutHelp(program as unknown as CommandUnknownOpts);
  return program as unknown as CommandUnknownOpts;
}

/** An interrupted study needs no repair. */
function announceContinuation(): void {
  willLeave('nothing half-written is left: the same command keeps the cells that are finished and makes the others');
}

/** The options with those of the operation as a request. @param kind as the argument names it */
function withOperation<Options extends object>(
  options: Options,
  kind?: string,
): Options & { readonly operation: OperationRequest } {
  return { ...options, operation: operationRequest(options, kind) };
}

/** The part of the study to compute: that of --shard, or of the job array's environment. */
function withShard<Options extends { readonly shard?: StudyPart }>(options: Options): Options {
  const shard = options.shard ?? shardFromEnvironment(process.env);
  return shard ? { ...options, shard } : options;
}

/** Whether argv calls a command that loads a model. */
function loadsModel(program: CommandUnknownOpts, [name, ...rest]: readonly string[]): boolean {
  const command = program.commands.find((one) => one.name() === name);
  const takesModel = command?.options.some(({ long }) => long === '--model') ?? false;
  return takesModel && !rest.includes('--help') && !rest.includes('-h');
}

/** The program's name before an error. */
const errorName = () => styled('surgery:', 'red', hasColour(process.stderr));

/** Reports the error on stderr. @param explain makes a message of what could not be parsed @returns the exit code */
function reportFailure(error: unknown, explain: (error: CommanderError) => string): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help, --version
    process.stderr.write(`${errorName()} ${messageOf(explain(error))}\n`);
    return 2;
  }
  const mistake = error instanceof SurgeryError ? error : refusal(error);
  if (mistake) {
    process.stderr.write(`${errorName()} ${messageOf(mistake)}\n`);
    return 2;
  }
  process.stderr.write(`${errorName()} a bug, please report it\n${error instanceof Error ? error.stack : error}\n`);
  return 1;
}

let stopping = false;

/** Removes half-written files, then waits for threads: ending the process under native code crashes it. */
function stopOn(signal: NodeJS.Signals, code: number): void {
  process.once(signal, async () => {
    stopping = true;
    tidyUp();
    process.stderr.write(`\nsurgery: stopped, ${whatIsLeft()}\n`);
    await finish();
    process.exit(code);
  });
}

stopOn('SIGINT', 130);
stopOn('SIGTERM', 143);
stopOn('SIGHUP', 129);
process.on('exit', tidyUp);
// A reader that closes early, such as `head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
process.stderr.on('error', () => {});

const argv = process.argv.slice(2);
const program = buildProgram(argv);
try {
  // First of all: what the restart had already read from standard input would be lost.
  if (loadsModel(program, argv)) restartForLargeModels();
  await program.parseAsync(wordsToParse(program, argv), { from: 'user' });
} catch (error) {
  if (!stopping) process.exitCode = reportFailure(error, (one) => explained(one, program, argv));
}
