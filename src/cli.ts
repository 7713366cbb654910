#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Argument, Command, CommanderError } from 'commander';
import { completionScript, shells } from './commands/completion.ts';
import { withConfig } from './commands/config.ts';
import { quoted } from './commands/next-steps.ts';
import * as shared from './commands/options.ts';
import { operationRequest, recipeOptions, spectrumOptions } from './commands/recipes.ts';
import { type Shard, shardFromEnvironment } from './commands/shard.ts';
import { kindNames } from './operations/registry.ts';
import { messageOf, refusal, SurgeryError } from './platform/errors.ts';
import { restartForLargeModels } from './platform/huge-pages.ts';
// argv → command → exit code. The only place that ends the process: 0 done, 2 the user's mistake, 1 a bug, 130 Ctrl-C.
import { itemAt } from './platform/indexing.ts';
import { finish, tidyUp, whatIsLeft, willLeave } from './platform/shutdown.ts';

const { version } = createRequire(import.meta.url)('../package.json');

/**
 * Each command's code is loaded when it is called: --help should not wait for native modules.
 * @param argv the command line with the config file's options in it, known once the program is
 */
function buildProgram(argv: () => readonly string[]): Command {
  const program = new Command('surgery')
    .description('Operate on the weights of Llama-architecture language models on a CPU, and measure what was lost.')
    .version(version)
    .showSuggestionAfterError()
    .addHelpText('after', '\nFirst: surgery doctor, then surgery run --variance 0.3. A command has its own --help.')
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const command = (name: string, description: string, examples: readonly string[]) =>
    program
      .command(name)
      .description(description)
      .addHelpText('after', `\nExamples:\n${examples.map((example) => `  surgery ${name} ${example}`).join('\n')}`);

  const run = command('run', 'one experiment: operate, write, generate before and after, score', [
    '--variance 0.3',
    'zero --heads 2.5,0.0',
    '--model ./my-llama --mode separate --variance 0.9 --prompt "The sea"',
  ]);
  shared.outputOptions(
    shared.scoringOptions(shared.samplingOptions(shared.runtimeOptions(operating(shared.modelOptions(run))))),
  );
  run.argument('[kind]', kindHelp);
  run.action(async (kind, options) =>
    (await import('./commands/run.ts')).run(
      { ...options, operation: operationRequest(options, kind) },
      repeatable(argv()),
    ),
  );

  const sweep = command('sweep', 'a grid of operations on the same text, matched comparisons, controls', [
    '--variance 0.99,0.9,0.5 --mode separate,shared-kv',
    '--variance 0.9,0.5 --mode shared-kv --match width,parameters --controls',
  ]);
  shared.studyOptions(
    shared.scoringOptions(
      shared.samplingOptions(
        shared.runtimeOptions(shared.comparisonOptions(operating(shared.modelOptions(sweep), () => true))),
      ),
    ),
  );
  sweep.argument('[kind]', kindHelp);
  sweep.action(async (kind, options) =>
    (await import('./commands/sweep.ts')).sweep(
      { ...sharded(options), operation: operationRequest(options, kind) },
      repeatable(argv()),
    ),
  );

  const sensitivity = command('sensitivity', 'one layer or projection operated on at a time, and all at once', [
    '--variance 0.9,0.5',
    '--by both --variance 0.5 --no-samples',
  ]);
  shared.studyOptions(
    shared.scoringOptions(
      shared.samplingOptions(
        shared.runtimeOptions(
          operating(shared.modelOptions(sensitivity), (key) => key === 'variance' || key === 'rank'),
        ),
      ),
    ),
  );
  shared.unitOption(sensitivity);
  sensitivity.action(async (options) =>
    (await import('./commands/sensitivity.ts')).sensitivity(
      { ...sharded(options), operation: operationRequest(options) },
      repeatable(argv()),
    ),
  );

  for (const study of [sweep, sensitivity])
    study.hook('preAction', () => {
      willLeave('nothing half-written is left: the same command continues it');
    });

  const merge = command('merge', 'join the parts of a study that several machines made', [
    'results/study/part-* --output results/study',
  ]);
  merge
    .argument('<dir...>', 'folders of the parts, in any order')
    .requiredOption('--output <dir>', "the whole study's folder")
    .option('--json', 'print one JSON document on stdout')
    .option('--csv', 'print the cells as comma-separated values on stdout');
  merge.action(async (folders, options) => (await import('./commands/merge.ts')).merge(folders, options));

  const report = command('report', 'the page of a folder of results made again, or one page of several', [
    'results/reference',
    'results/study-a results/study-b --output side-by-side.html',
    'results/study results/lens results/probe --output study.html',
  ]);
  report
    .argument('<dir...>', 'folders that run, sweep, sensitivity, merge, lens, unlikely, probe or basis have written')
    .option('--output <file>', "the page (default: the folder's report.html, or results/side-by-side.html)")
    .option('--json', 'print one JSON document on stdout')
    .option('--quiet', 'print no progress');
  report.action(async (folders, options) =>
    (await import('./commands/report.ts')).report(folders, options, repeatable(argv())),
  );

  const inspect = command('inspect', 'tensors, spectra, and ranks at thresholds', [
    '--model pocket',
    '--mode separate --json',
  ]);
  spectrumOptions(shared.engineOption(shared.modelOptions(inspect)));
  inspect.action(async (options) =>
    (await import('./commands/inspect.ts')).inspect({ ...options, operation: operationRequest(options) }),
  );

  const generate = command('generate', 'continue prompts', [
    '--model pocket --prompt "Once upon a time"',
    '--temperature 0 --max-new-tokens 20',
  ]);
  shared.samplingOptions(shared.runtimeOptions(operating(shared.modelOptions(generate))));
  generate.action(async (options) =>
    (await import('./commands/generate.ts')).generate({ ...options, operation: operationRequest(options) }),
  );

  const pull = command('pull', 'load a model from the Hugging Face Hub into its cache, or what the cache lacks of it', [
    'TinyLlama/TinyLlama-1.1B-Chat-v1.0',
    'org/name@revision --json',
  ]);
  shared.hubOptions(pull.argument('<ref>', 'org/name[@revision]'));
  pull.action(async (ref, options) => (await import('./commands/pull.ts')).pull(ref, options));

  const evaluate = command('eval', 'score text and multiple-choice questions', [
    '--model pocket --text stories.txt',
    '--model results/my-run/model --base pocket --max-tokens 256',
    '--text hub:Salesforce/wikitext/wikitext-2-raw-v1/test --chunk stream',
  ]);
  shared.scoringOptions(shared.runtimeOptions(operating(shared.modelOptions(evaluate))));
  evaluate.option('--base <ref>', 'also KL and same-top against this checkpoint, computed in fp32');
  evaluate.action(async (options) =>
    (await import('./commands/evaluate.ts')).evaluate({ ...options, operation: operationRequest(options) }),
  );

  const lens = command('lens', 'what each layer would say: the residual stream through the unembedding', [
    '--prompt "Once upon a time" --colour rank',
    '--model pocket --text stories.txt --variance 0.5 --output results/lens',
  ]);
  shared.lensOptions(
    shared.findingOptions(
      shared.textOptions(shared.promptOptions(shared.runtimeOptions(operating(shared.modelOptions(lens))))),
    ),
  );
  lens.action(async (options) =>
    (await import('./commands/lens.ts')).lens({ ...options, operation: operationRequest(options) }, repeatable(argv())),
  );

  const unlikely = command('unlikely', 'whether directions of near-impossible tokens are reused inside', [
    '--model pocket',
    '--text stories.txt --documents 50 --variance 0.5 --output results/unlikely',
  ]);
  shared.findingOptions(shared.textOptions(shared.runtimeOptions(operating(shared.modelOptions(unlikely)))));
  unlikely.action(async (options) =>
    (await import('./commands/unlikely.ts')).unlikely(
      { ...options, operation: operationRequest(options) },
      repeatable(argv()),
    ),
  );

  const probe = command('probe', 'read the input token back out of the residual stream, layer by layer', [
    '--model pocket',
    '--model pocket --mode shared-kv --variance 0.5 --output results/probe',
  ]);
  shared.findingOptions(shared.textOptions(shared.runtimeOptions(operating(shared.modelOptions(probe)))));
  probe.action(async (options) =>
    (await import('./commands/probe.ts')).probe(
      { ...options, operation: operationRequest(options) },
      repeatable(argv()),
    ),
  );

  const basis = command('basis', 'an ordered basis of the embedding or unembedding, and what lies along it', [
    '--model pocket --of unembed --method pca',
    '--model pocket --method dictionary --components 256',
  ]);
  shared.basisOptions(
    shared.findingOptions(shared.textOptions(shared.runtimeOptions(operating(shared.modelOptions(basis))))),
  );
  basis.action(async (options) =>
    (await import('./commands/basis.ts')).basis(
      { ...options, operation: operationRequest(options) },
      repeatable(argv()),
    ),
  );

  const doctor = command('doctor', 'what this machine has, and what will fit', ['', '--json']);
  doctor.option('--json', 'print one JSON document on stdout');
  doctor.action(async (options) => (await import('./commands/doctor.ts')).doctor(options));

  for (const one of program.commands)
    one.option('--config <file>', 'options from this JSON file (default: surgery.config.json, if it is here)');

  const completion = command('completion', "a shell's completion script", ['bash', 'fish | source']);
  completion.addArgument(new Argument('<shell>', 'the shell').choices(shells));
  completion.action((shell) => {
    process.stdout.write(completionScript(shell, program));
  });
  return program;
}

const kindHelp = `kind of operation: ${kindNames.filter((name) => name !== 'none').join(', ')} (default: pca)`;

/** The options of operations, and of how their weights are made and written. */
function operating(command: Command, takesSeveral?: (key: string) => boolean): Command {
  return shared.writingOptions(recipeOptions(command, takesSeveral));
}

/** The part of a study that the command line asks for, or a job array's environment. */
function sharded<T extends { readonly shard?: Shard }>(options: T): T {
  const shard = options.shard ?? shardFromEnvironment(process.env);
  return shard ? { ...options, shard } : options;
}

/** Whether a command is called that works on a model's weights. */
function worksOnModel(program: Command, [name, ...rest]: readonly string[]): boolean {
  const command = program.commands.find((one) => one.name() === name);
  const takesModel = command?.options.some(({ long }) => long === '--model') ?? false;
  return takesModel && !rest.includes('--help') && !rest.includes('-h');
}

/** A command without what changes where and how its result is told, not what it is. */
function repeatable(argv: readonly string[]): string {
  const alone = ['--json', '--quiet', '--csv', '--offline', '--force'];
  const valued = ['--output', '--shard', '--threads'];
  const words = argv.filter((word, i) => {
    const isValue = i > 0 && valued.includes(itemAt(argv, i - 1));
    return !isValue && !alone.includes(word) && !valued.some((name) => word === name || word.startsWith(`${name}=`));
  });
  return ['surgery', ...words].map(quoted).join(' ');
}

/** The exit code for what was thrown, after saying so on stderr. */
function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0; // --help, --version
    const message =
      error.code === 'commander.help' ? 'no command given: try surgery --help' : error.message.replace(/^error: /, '');
    process.stderr.write(`surgery: ${messageOf(message)}\n`);
    return 2;
  }
  const mistake = error instanceof SurgeryError ? error : refusal(error);
  if (mistake) {
    process.stderr.write(`surgery: ${messageOf(mistake)}\n`);
    return 2;
  }
  process.stderr.write(`surgery: a bug, please report it\n${error instanceof Error ? error.stack : error}\n`);
  return 1;
}

let stopping = false;

/** What is half-written goes first; threads are waited for, since native code must not be torn down under them. */
function stopOn(signal: NodeJS.Signals, code: number): void {
  process.once(signal, async () => {
    stopping = true;
    tidyUp();
    // A progress bar hides the cursor and turns line wrapping off.
    if (process.stderr.isTTY) process.stderr.write('\x1b[?25h\x1b[?7h');
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

try {
  let argv: readonly string[] = process.argv.slice(2);
  const program = buildProgram(() => argv);
  // Before anything is read that can be read only once.
  if (worksOnModel(program, argv)) restartForLargeModels();
  const config = withConfig(argv, program);
  argv = config.argv;
  if (config.added.length > 0 && !argv.includes('--quiet'))
    process.stderr.write(`Options from ${config.file}: ${config.added.join(' ')}\n`);
  await program.parseAsync([...argv], { from: 'user' });
} catch (error) {
  if (!stopping) process.exitCode = reportFailure(error);
}
