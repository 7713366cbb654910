// What the fuzzer feeds, and what must hold of the outcome: a result that is sound, or one line that refuses.
import { parseConfig } from '../../dist/checkpoint/config.js';
import { bitsPerElement } from '../../dist/checkpoint/dtypes.js';
import { headerLength, maxHeaderBytes, parseHeader } from '../../dist/checkpoint/header.js';
import { parseIndex } from '../../dist/checkpoint/reader.js';
import { messageOf, SurgeryError } from '../../dist/platform/errors.js';

const file = 'the-file';

/** Name → what it does with some bytes, throwing {@link Unsound} for a result that should not be. */
export const targets = {
  /** The first bytes of a file, and its size in the eight that follow. */
  length(bytes) {
    const size = bytes.length < 16 ? bytes.length : Number(bytes.readBigUInt64LE(8) & 0x1fffffffffffffn);
    const length = headerLength(bytes.subarray(0, 8), size, file);
    require(length >= 2 && length <= maxHeaderBytes && 8 + length <= size, `a header of ${length} bytes in ${size}`);
  },

  /** The JSON of a header, in a file that is as long as the header says. */
  header(bytes) {
    const ends = [...bytes.toString('latin1').matchAll(/"data_offsets"\s*:\s*\[\s*\d+\s*,\s*(\d{1,15})/g)];
    const start = 8 + bytes.length;
    const size = start + Math.max(0, ...ends.map(([, end]) => Number(end)));
    const { tensors, metadata } = parseHeader(bytes, size, file);
    let at = start;
    for (const { name, dtype, shape, begin, end } of tensors) {
      const taken = shape.reduce((product, n) => product * BigInt(n), BigInt(bitsPerElement[dtype]));
      require(begin === at && end >= begin && end <= size, `${name} lies at ${begin} to ${end} of ${size}, not ${at}`);
      require(BigInt(end - begin) * 8n === taken, `${name} takes ${end - begin} bytes, not ${taken} bits`);
      at = end;
    }
    require(at === size, `bytes ${at} to ${size} belong to nothing`);
    require(new Set(tensors.map(({ name }) => name)).size === tensors.length, 'a name twice');
    require(Object.values(metadata).every((value) => typeof value === 'string'), 'metadata that is not text');
  },

  /** config.json and, after a zero byte, generation_config.json. */
  config(bytes) {
    const [text, generation] = bytes.toString().split('\0');
    const config = parseConfig(text, file, generation === undefined ? undefined : { text: generation, file });
    const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize, contextLength } = config;
    const counts = { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize, contextLength };
    for (const [name, value] of Object.entries(counts))
      require(Number.isSafeInteger(value) && value > 0, `${name} is ${value}`);
    require(heads % kvHeads === 0 && headDim % 2 === 0, `${heads} heads of ${headDim} over ${kvHeads}`);
    const { kind: _, ...scaling } = config.ropeScaling;
    for (const value of [config.rmsNormEps, config.ropeTheta, ...Object.values(scaling)])
      require(Number.isFinite(value) && value > 0, `a constant is ${value}`);
    for (const id of [config.bosId ?? 0, ...config.eosIds]) require(Number.isSafeInteger(id) && id >= 0, `id ${id}`);
  },

  /** model.safetensors.index.json. */
  index(bytes) {
    const shards = parseIndex(bytes.toString(), file);
    require(shards.size > 0, 'an empty index');
    for (const shard of shards.values())
      require(/^[^/\\\0]+\.safetensors$/.test(shard), `a shard called ${JSON.stringify(shard)}`);
  },
};

class Unsound extends Error {}

function require(holds, what) {
  if (!holds) throw new Unsound(what);
}

const prototypes = [Object.prototype, Array.prototype, Map.prototype];
const own = () => prototypes.map((one) => Reflect.ownKeys(one).length).join();
const clean = own();

/** Most work that one input of a few kilobytes may be, in milliseconds of the processor: a thousand times what is usual. */
const slowest = 3000;

/** What went wrong with an input, undefined if nothing did. */
export function tried(target, bytes) {
  const start = process.cpuUsage();
  try {
    targets[target](bytes);
  } catch (error) {
    if (!(error instanceof SurgeryError)) return `${error?.name}: ${error?.message}`;
    const line = messageOf(error);
    if (!line.includes(file)) return `a message that does not name the file: ${line}`;
    if (/\p{Cc}/u.test(line) || line.length > 2001) return `a message that is no short line: ${JSON.stringify(line)}`;
  }
  if (own() !== clean) return 'a prototype was changed';
  const { user, system } = process.cpuUsage(start);
  const taken = (user + system) / 1000;
  return taken > slowest ? `it took ${Math.round(taken)} ms` : undefined;
}
