// KL divergence from the original, document by document, at several ranks of a PCA that k and v share: a table of
// tab-separated values.
//
//     node kl-by-document.mjs [model] [texts]
import { join } from 'node:path';
import { openCheckpoint, readDocuments, runExperiment, SurgeryError } from 'surgery';

const ranks = [2, 5, 13, 34, 55, 89];
const [model = 'pocket', file] = process.argv.slice(2);

try {
  const checkpoint = await openCheckpoint(model);
  // Without texts of your own: the first of the stories that pocket's folder holds.
  const texts = file
    ? await readDocuments(file)
    : (await readDocuments(join(checkpoint.folder, 'valid.txt'))).slice(0, 8);
  const recipes = ranks.map((rank) => [{ kind: 'pca', mode: 'shared-kv', rank }]);

  const { cells } = await runExperiment(checkpoint, recipes, texts);
  console.log(['document', 'tokens', ...ranks.map((rank) => `rank ${rank}`)].join('\t'));
  for (const document of texts.keys()) {
    const { tokens } = cells[0].byDocument;
    const kl = cells.map(({ byDocument }) => (byDocument.kl[document] / tokens[document]).toFixed(4)); // nats per token
    console.log([document + 1, tokens[document], ...kl].join('\t'));
  }
  const tokens = cells[0].byDocument.tokens.reduce((sum, count) => sum + count, 0);
  console.log(['all', tokens, ...cells.map(({ scores }) => scores.kl.toFixed(4))].join('\t'));
} catch (error) {
  if (!(error instanceof SurgeryError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
