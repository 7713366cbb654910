// The library at work: how far two ways of sharing a PCA move a model's predictions, at the same share of the variance.
//
//     node scripts/examples/compare.mjs [model] [variance]
import { openCheckpoint, operate, Runtime, SurgeryError, score, Tokenizer, touchedBy } from 'surgery';

const [model = 'pocket', variance = '0.7'] = process.argv.slice(2);
const texts = [
  'Once upon a time there was a girl named Lily. She had a dog, and the dog wanted to play.',
  'Tom went to the park with his mother. They saw a big red ball, and Tom was very happy.',
];

try {
  const checkpoint = await openCheckpoint(model);
  const tokenizer = await Tokenizer.open(checkpoint);
  const documents = texts.map((text) => tokenizer.encode(text)); // BOS first, where the model has one

  const operated = [];
  for (const mode of ['separate', 'shared-kv'])
    operated.push(await operate(checkpoint, [{ kind: 'pca', mode, variance: Number(variance) }]));

  // One session serves the original and every variant: weights that a recipe replaces are inputs of its graph.
  const recipes = operated.map(({ recipe }) => recipe);
  const runtime = await Runtime.open(checkpoint, { replaceable: touchedBy(recipes, checkpoint.config) });
  const models = operated.map(({ tensors }) => ({ runtime, weights: runtime.variant(tensors) }));
  const { original, variants } = await score(documents, { runtime }, models);
  for (const [i, { recipe, reports }] of operated.entries()) {
    const groups = reports[0].layers.flatMap((layer) => layer.groups);
    const width = groups.filter(({ name }) => name !== 'q').reduce((sum, { rank }) => sum + rank, 0);
    console.log(
      `${recipe[0].mode.padEnd(10)} perplexity ${original.perplexity.toFixed(2)} → ${variants[i].perplexity.toFixed(2)},`,
      `KL ${variants[i].kl.toFixed(3)} nats, ${width} components for k and v`,
    );
  }
  await runtime.close();
} catch (error) {
  if (!(error instanceof SurgeryError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
