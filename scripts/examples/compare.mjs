// The library at work: how far two ways of sharing a PCA move a model's predictions, at the same share of the variance.
//
//     node scripts/examples/compare.mjs [model] [variance]
import { attentionWeights, openCheckpoint, operate, Runtime, SurgeryError, score, Tokenizer } from 'surgery';

const [model = 'pocket', variance = '0.7'] = process.argv.slice(2);
const texts = [
  'Once upon a time there was a girl named Lily. She had a dog, and the dog wanted to play.',
  'Tom went to the park with his mother. They saw a big red ball, and Tom was very happy.',
];

try {
  const checkpoint = await openCheckpoint(model);
  const tokenizer = await Tokenizer.open(checkpoint);
  const documents = texts.map((text) => tokenizer.encode(text)); // BOS first, where the model has one

  // One session serves the original and every variant: what may be replaced is fed at each run.
  const runtime = await Runtime.open(checkpoint, { replaceable: attentionWeights(checkpoint) });
  for (const mode of ['separate', 'shared-kv']) {
    const { tensors, reports } = await operate(checkpoint, [{ kind: 'pca', mode, variance: Number(variance) }]);
    const weights = runtime.variant(tensors);
    const { original, variants } = await score(documents, { runtime }, [{ runtime, weights }]);
    const width = reports
      .flatMap(({ layers }) => layers)
      .flatMap(({ groups }) => groups.filter(({ name }) => name !== 'q'))
      .map(({ rank }) => rank);
    console.log(
      `${mode.padEnd(10)} perplexity ${original.perplexity.toFixed(2)} → ${variants[0].perplexity.toFixed(2)},`,
      `KL ${variants[0].kl.toFixed(3)} nats, ${width.reduce((a, b) => a + b, 0)} components for k and v`,
    );
  }
  await runtime.close();
} catch (error) {
  if (!(error instanceof SurgeryError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
