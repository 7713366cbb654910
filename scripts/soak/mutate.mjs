// Inputs made of others: bytes and numbers changed, parts cut, doubled, nested and put together, words of the formats put in.

/** Pieces that the parsers look for, or ought to. */
const words = [
  ...['{', '}', '[', ']', ':', ',', '"', '\\', '\\u0000', '\\u0061', '\0', 'null', 'true', '{}', '[]', '""', '1e999'],
  ...['"__proto__":', '"constructor":', '"__metadata__":{"format":"pt"},', '"__metadata__":', '../', '/', '..', 'e9'],
  ...['"dtype":"F32"', '"BF16"', '"F64"', '"shape":[1]', '"shape":[0]', '"shape":[]', '"data_offsets":[0,4]'],
  ...['.safetensors', '"weight_map":{', '"architectures":["LlamaForCausalLM"],', '"rope_scaling":{"type":"linear",'],
  ...[
    '"rope_parameters":',
    '"rope_type":"llama3",',
    '"factor":',
    '"head_dim":',
    '"eos_token_id":[1,2],',
    '\x1b[2J',
    '\ufeff',
  ],
];
const numbers = [
  ...['0', '-0', '1', '-1', '0.5', '2', '3', '4', '7', '255', '65536', '4294967296', '9007199254740991'],
  ...['9007199254740993', '1e308', '-1e308', '1e999', '1e-400', '18446744073709551615', '00'],
];

/** A seeded source of numbers from 0 up to below n (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** Longest input that is made, in bytes. */
const longest = 4096;

/** A few changes to one input; `other` is one that parts are taken from. */
export function mutated(bytes, other, random) {
  let out = bytes;
  for (let n = 1 + random(4); n > 0; n--) out = changes[random(changes.length)](out, other, random);
  return out.subarray(0, longest);
}

const put = (bytes, from, to, piece) =>
  Buffer.concat([bytes.subarray(0, from), Buffer.from(piece), bytes.subarray(to)]);
const span = (bytes, random, most = 64) => {
  const from = random(bytes.length + 1);
  return [from, Math.min(bytes.length, from + 1 + random(most))];
};
const pick = (list, random) => list[random(list.length)];
/** The place of something that a pattern finds, or an empty place. */
const found = (bytes, pattern, random) => {
  const all = [...bytes.toString('latin1').matchAll(pattern)];
  if (all.length === 0) return [0, 0];
  const { 0: text, index } = pick(all, random);
  return [index, index + text.length];
};

const changes = [
  (bytes, _, random) => put(bytes, ...span(bytes, random, 1), [random(256)]),
  (bytes, _, random) => put(bytes, ...span(bytes, random), ''),
  (bytes, _, random) => {
    const [from, to] = span(bytes, random, 256);
    return put(bytes, to, to, bytes.subarray(from, to));
  },
  (bytes, other, random) => put(bytes, ...span(bytes, random), other.subarray(...span(other, random, 256))),
  (bytes, _, random) => {
    const at = random(bytes.length + 1);
    return put(bytes, at, at, pick(words, random));
  },
  (bytes, _, random) => put(bytes, ...found(bytes, /-?\d+(\.\d+)?(e[+-]?\d+)?/g, random), pick(numbers, random)),
  (bytes, _, random) => put(bytes, ...found(bytes, /"[^"]*"/g, random), pick(words, random)),
  // A member of an object or list again, out, or in deep brackets.
  (bytes, _, random) => {
    const [from, to] = found(bytes, /"[^"]*":("[^"]*"|[^,{}"]+|\{[^{}]*\}),?/g, random);
    return put(bytes, to, to, Buffer.concat([Buffer.from(','), bytes.subarray(from, to)]));
  },
  (bytes, _, random) => put(bytes, ...found(bytes, /"[^"]*":("[^"]*"|[^,{}"]+|\{[^{}]*\}),?/g, random), ''),
  (bytes, _, random) => {
    const depth = 1 << random(11);
    return put(bytes, ...found(bytes, /"[^"]*"|\d+/g, random), `${'['.repeat(depth)}${']'.repeat(depth)}`);
  },
];
