// What each attention head is worth: the KL divergence, in nats per token, that zeroing it alone costs. One session serves
// the original and every variant, which differ in one weight each.
//
//     node head-map.mjs [model] [texts]
import { join } from 'node:path';
import { openCheckpoint, operate, Runtime, readDocuments, SurgeryError, score, Tokenizer, touchedBy } from 'surgery';

const [model = 'pocket', file] = process.argv.slice(2);

try {
  const checkpoint = await openCheckpoint(model);
  const { layers, heads, contextLength } = checkpoint.config;
  const tokenizer = await Tokenizer.open(checkpoint);
  // Without texts of your own: the first of the stories that pocket's folder holds.
  const texts = file
    ? await readDocuments(file)
    : (await readDocuments(join(checkpoint.folder, 'valid.txt'))).slice(0, 4);
  const documents = texts.map((text) => tokenizer.encode(text, contextLength));

  const places = Array.from({ length: layers * heads }, (_, i) => `${Math.floor(i / heads)}.${i % heads}`);
  const recipes = places.map((place) => [{ kind: 'zero', heads: [place] }]);
  const runtime = await Runtime.open(checkpoint, { replaceable: touchedBy(recipes, checkpoint.config) });
  const variants = [];
  for (const recipe of recipes) {
    const { tensors } = await operate(checkpoint, recipe);
    variants.push({ runtime, weights: runtime.variant(tensors) });
  }
  const scores = await score(documents, { runtime }, variants);
  await runtime.close();

  console.log(['layer', ...Array.from({ length: heads }, (_, head) => `head ${head}`)].join('\t'));
  for (let layer = 0; layer < layers; layer++) {
    const row = scores.variants.slice(layer * heads, (layer + 1) * heads);
    console.log([layer, ...row.map(({ kl }) => kl.toFixed(4))].join('\t'));
  }
} catch (error) {
  if (!(error instanceof SurgeryError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
