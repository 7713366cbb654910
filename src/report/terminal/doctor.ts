// The report of surgery doctor, for a terminal.
import { quoted } from '../../platform/command-line.ts';
import { pasteable } from '../../platform/program.ts';
import type { Diagnosis } from '../../results/outputs.ts';
import { counted, integer, percent, perplexity, short, size } from '../format.ts';

const titles = { results: 'Results', cache: 'Cache', models: 'Models' };

export function doctorText(found: Diagnosis): string {
  const { versions, processor, memory, fits, defaultModel } = found;
  const lines = [
    ['Node', `${versions.node} on ${found.platform}`],
    ['Processor', `${processor.model}, ${counted(processor.cores, 'core')}`],
    ['', processor.instructions.join(', ') || 'vector instructions unknown'],
    [
      'onnxruntime',
      versions.onnxruntime
        ? `${versions.onnxruntime}, ${found.gigaflops?.toFixed(0)} GFLOP/s in float32`
        : 'cannot be loaded',
    ],
    ['Memory', `${size(memory.free)} free of ${size(memory.total)}`],
    ...found.folders.flatMap(({ name, path, bytes, free, writable }) => [
      [titles[name], path],
      [
        '',
        `${size(bytes)} used${free === undefined ? '' : `, ${size(free)} free`}${writable ? '' : ', cannot be written to'}`,
      ],
    ]),
    ['Default', `${defaultModel.ref}, where no --model is given`],
    ...(defaultModel.runs === 'pocket'
      ? [['', 'it is not cached: pulled if the Hub can be reached, else pocket']]
      : []),
    ['Writes text', `after an operation, up to about ${billions(fits.fp32)} parameters in fp32,`],
    ['', `${billions(fits.int8)} in int8`],
    ['Reads text', `models of any size, block by block, in up to ${size(memory.free / 2)}`],
    ...modelLines(found),
  ];
  const shown = lines.map(([title = '', text = '']) => `${title.padEnd(13)}${text}`);
  const problems =
    found.problems.length > 0
      ? ['', ...found.problems.map((problem) => `Problem: ${problem}`)]
      : ['', 'No problem found.'];
  const named = found.model ? ` --model ${quoted(found.model.ref)}` : '';
  const next = ['', `Next: ${pasteable(`run --variance 0.3${named}`)}`];
  return [...shown, ...problems, ...(found.problems.length > 0 ? [] : next)].join('\n');
}

/** What the named model takes. */
function modelLines({ model, memory: { free } }: Diagnosis): string[][] {
  if (!model) return [];
  const { ref, parameters, text, reading, int8 } = model;
  const takes = (bytes: number) => `${size(bytes)}${bytes > free ? ', which is not free' : ''}`;
  return [
    ['Model', `${ref}: ${integer(parameters)} parameters`],
    ['', `to write text, in fp32 ${takes(text.fp32)}`],
    ['', `to write text, in int8 ${takes(text.int8)}`],
    ['', `to read text, in fp32 ${takes(roundedUp(reading.fp32))}`],
    ['', `to read text, in int8 ${takes(roundedUp(reading.int8))}`],
    ['', 'more for long texts, many variants, and operations'],
    ['', `in int8 KL ${short(int8.kl)} nats/token from fp32 on the built-in passages,`],
    [
      '',
      `perplexity ${perplexity(int8.perplexity.fp32)} → ${perplexity(int8.perplexity.int8)}, ${percent(int8.sameTop)} same top token`,
    ],
  ];
}

/** To what --memory can be given as. */
function roundedUp(bytes: number): number {
  const step = bytes < 1e9 ? 1e6 : 1e8;
  return Math.ceil(bytes / step) * step;
}

function billions(parameters: number): string {
  const [unit, name] = parameters >= 1e9 ? [1e9, 'billion'] : [1e6, 'million'];
  return `${Number((parameters / unit).toPrecision(2))} ${name}`;
}
