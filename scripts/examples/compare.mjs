// The library at work: how far two ways of sharing a PCA move a model's predictions, at the same share of the variance.
//
//     node scripts/examples/compare.mjs [model] [variance]
import { openCheckpoint, runExperiment, SurgeryError, Tokenizer } from 'surgery';

const [model = 'pocket', variance = '0.7'] = process.argv.slice(2);
const texts = [
  'Once upon a time there was a girl named Lily. She had a dog, and the dog wanted to play.',
  'Tom went to the park with his mother. They saw a big red ball, and Tom was very happy.',
];

try {
  const checkpoint = await openCheckpoint(model);
  const tokenizer = await Tokenizer.open(checkpoint);
  const documents = texts.map((text) => tokenizer.encode(text)); // BOS first, where the model has one
  const recipes = ['separate', 'shared-kv'].map((mode) => [{ kind: 'pca', mode, variance: Number(variance) }]);

  const { original, cells } = await runExperiment(checkpoint, recipes, documents);
  for (const { recipe, scores, footprint } of cells) {
    console.log(
      `${recipe[0].mode.padEnd(10)} perplexity ${original.scores.perplexity.toFixed(2)} → ${scores.perplexity.toFixed(2)},`,
      `KL ${scores.kl.toFixed(3)} nats, a latent of ${footprint.width.toFixed(0)} components a layer for k and v`,
    );
  }
} catch (error) {
  if (!(error instanceof SurgeryError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
