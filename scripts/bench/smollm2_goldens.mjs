// Low-rank variants of SmolLM2-135M next to reference figures of peers' code and plain definitions: theirs, ours, and the
// difference over what it may be.
//
//     node scripts/bench/smollm2_goldens.mjs MODEL ../shared/goldens/smollm2 [F32|BF16] [part of a key]
//
// MODEL is the checkpoint that ../shared/tools/smollm2.py makes. A table of tab-separated values; exit code 1 where a figure
// is off. On the first 8 windows of the evaluation text, in two groups of variants: about ten minutes on two free cores.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint, runExperiment } from '../../dist/index.js';

const [model, goldens, dtype = 'F32', part = ''] = process.argv.slice(2);
if (!model || !goldens) throw new Error('usage: smollm2_goldens.mjs MODEL GOLDENS [F32|BF16] [part of a key]');
const windows = 8;
const read = (name) => JSON.parse(readFileSync(join(goldens, name), 'utf8'));
const { calibration, evaluation } = read('ids.json');
const seven = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'];
const kv = { targets: ['k', 'v'] };
const svd = { kind: 'fit', objective: 'weights' };

/** A key of the reference in our words. Undefined: of another kind. */
function recipeOf(key, { ranks }) {
  const [, width] = /_(\d+)$/.exec(key) ?? [];
  const name = key.replace(/[-_][\d.]+$/, '');
  const all = {
    mode: 'separate',
    targets: seven,
    ratio: name === 'asvd-exact' ? 1 - Number(/[\d.]+$/.exec(key)) : Number(/[\d.]+$/.exec(key)),
  };
  if (name === 'closed' || name === 'svdllm-whiten') return { kind: 'fit', ...all };
  if (name === 'closed-seq') return { kind: 'fit', ...all, sequential: true };
  if (name === 'plainsvd') return { ...svd, ...all };
  if (name === 'asvd-exact') return { kind: 'fit', objective: 'scaled', ...all };
  if (name === 'palu-gs1') return { kind: 'fit', mode: 'per-head', ...kv, rank: ranks.k[0] };
  if (name === 'palu-gs3') return { kind: 'fit', mode: 'separate', ...kv, rank: [ranks.k].flat()[0] };
  const laser = /^laser_(\d+)_(\w+)_/.exec(key);
  if (laser)
    return { ...svd, mode: 'separate', layers: [Number(laser[1])], targets: [laser[2]], rank: ranks[laser[2]] };
  const [, how, sharing] = /^kv_(out|svd|pca)_(shared|separate)/.exec(key) ?? [];
  if (how) {
    const where = {
      ...kv,
      mode: sharing === 'shared' ? 'shared-kv' : 'separate',
      rank: Number(width) / (sharing === 'shared' ? 1 : 2),
    };
    return how === 'pca' ? { kind: 'pca', ...where } : { ...(how === 'svd' ? svd : { kind: 'fit' }), ...where };
  }
  const [, of, variance] = /^kvvar_(shared|separate|matched)_([\d.]+)/.exec(key) ?? [];
  if (of)
    return {
      kind: 'pca',
      ...kv,
      variance: Number(variance),
      mode: of === 'shared' ? 'shared-kv' : 'separate',
      ...(of === 'matched' ? { match: { rule: 'width', of: 'shared-kv' } } : {}),
    };
  return undefined;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const theirs = (variant) =>
  dtype === 'F32'
    ? { nll: variant.fp32.mean_nll, kl: variant.fp32.kl }
    : { nll: mean(variant.bf16_window_nll.slice(0, windows)), kl: mean(variant.bf16_window_kl.slice(0, windows)) };
const chosen = read('variants.json').variants.flatMap((variant) => {
  const operation = variant.key.includes(part) && recipeOf(variant.key, variant);
  return operation ? [{ key: variant.key, operation, ...theirs(variant) }] : [];
});

const checkpoint = await openCheckpoint(model);
const { cells } = await runExperiment(
  checkpoint,
  chosen.map(({ operation }) => [operation]),
  evaluation.slice(0, windows),
  { calibration, dtype, onCell: (done, total) => process.stderr.write(`${done} of ${total}\n`) },
);
// What two exact implementations of one definition may differ by; dead variants magnify it.
const [ofNll, ofKl] = dtype === 'F32' ? [1e-5, 1e-4] : [3e-4, 1e-3];
console.log(['key', 'nll', 'ours', 'KL', 'ours', 'nll off by', 'KL off by', ''].join('\t'));
for (const [i, { key, nll, kl }] of chosen.entries()) {
  const { scores } = cells[i];
  const off = [Math.abs(scores.nll - nll), Math.abs(scores.kl / kl - 1)];
  const isDead = kl > 4;
  const isRight = isDead ? off[0] < 0.01 * nll && off[1] < 0.01 : off[0] <= ofNll && off[1] <= ofKl;
  if (!isRight) process.exitCode = 1;
  const words = isRight ? (isDead ? 'dead, right to 1 %' : 'right') : 'OFF';
  console.log(
    [
      key,
      nll.toFixed(7),
      scores.nll.toFixed(7),
      kl.toFixed(8),
      scores.kl.toFixed(8),
      ...off.map((one) => one.toExponential(1)),
      words,
    ].join('\t'),
  );
}
