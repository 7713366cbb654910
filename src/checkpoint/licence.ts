// The licence of a checkpoint, as its model card or its folder says.
import { maxBytes, readText } from './safe-paths.ts';

export interface Licence {
  /** As the Hub names it, such as `apache-2.0`; `other` where only the text is there. */
  readonly name: string;
  /** Whether the folder holds the text, in `LICENSE`. */
  readonly hasText: boolean;
}

/** File of a licence's text, and of the model card. */
export const licenceFile = 'LICENSE';
export const cardFile = 'README.md';

/** @returns undefined where neither the card's front matter nor a file names one: the licence is unknown */
export async function licenceOf(folder: string): Promise<Licence | undefined> {
  const card = await readText(folder, cardFile, maxBytes.template);
  const hasText = (await readText(folder, licenceFile, maxBytes.template)) !== undefined;
  const [, front = ''] = /^---\r?\n(.*?)\r?\n---\s/s.exec(card ?? '') ?? [];
  const [, name] = /^license:[ \t]*["']?([\w.-]+)["']?[ \t]*\r?$/m.exec(front) ?? [];
  if (name !== undefined) return { name, hasText };
  return hasText ? { name: 'other', hasText } : undefined;
}
