// Samples of two models side by side, each token shaded by the change of its probability.
import { itemAt } from '../../platform/indexing.ts';
import type { CellSample, Sample } from '../../results/study.ts';
import { visible } from '../../text/tokenizer/visible.ts';
import { endText } from '../cells.ts';
import { counted, sentence } from '../format.ts';
import type { Section } from './figure.ts';
import { type Html, html } from './html.ts';

/** A continuation and the log-probabilities of its tokens under two models. */
export interface Continuation {
  readonly ids: readonly number[];
  readonly pieces: readonly string[];
  /** Natural log-probabilities under the original and under the variant. */
  readonly original: readonly number[];
  readonly variant: readonly number[];
  readonly end?: Sample['end'];
}

/** The original's continuation of a prompt and a variant's. */
export interface Comparison {
  readonly name: string;
  /** Shown below the name, such as the KL. */
  readonly about: string;
  readonly prompt: string;
  readonly original: Continuation;
  readonly variant: Continuation;
  /** Folded away until it is asked for. */
  readonly folded: boolean;
}

/** A cell's sample next to the original's. */
export function comparison(
  original: Sample,
  own: CellSample,
  about: Pick<Comparison, 'name' | 'about' | 'folded'>,
): Comparison {
  const { prompt, ids, pieces, logprobs, end } = original;
  return {
    ...about,
    prompt,
    original: { ids, pieces, original: logprobs, variant: own.ofOriginal, end },
    variant: { ids: own.ids, pieces: own.pieces, original: own.underOriginal, variant: own.logprobs, end: own.end },
  };
}

/** Tokens that one page shows: some 70 bytes each. */
const mostTokens = 16_000;
/** Changes of a probability from which on the shades begin. */
const shades = [0.02, 0.1, 0.3, 0.6];

/** @param rule how the texts were drawn @param where all of them are, for those that a page has no room for */
export function samplesSection(comparisons: readonly Comparison[], rule: string, where: string): Section | undefined {
  if (comparisons.length === 0) return undefined;
  let tokens = 0;
  const shown = comparisons.filter(({ original, variant }) => {
    tokens += original.ids.length + variant.ids.length;
    return tokens <= mostTokens;
  });
  const left = comparisons.length - shown.length;
  const open = shown.filter((one) => !one.folded);
  const folded = shown.filter((one) => one.folded);
  return {
    id: 'samples',
    title: 'Samples',
    lead:
      `${rule} Both models continue the same prompt from the same seed. Shading: the change of a token’s probability from the original to the variant, ` +
      'given the same preceding text, before temperature and top-p. The mark ≠ stands before the first token that differs. A token of white space alone is marked where it is shaded: · is a space, ⏎ a line break.',
    figures: [],
    rest: html`${scaleHtml()}
${open.map(comparisonHtml)}
${folded.length > 0 && html`<details class="more"><summary>${counted(folded.length, open.length > 0 ? 'more comparison' : 'comparison')}</summary>${folded.map(comparisonHtml)}</details>`}
${left > 0 && html`<p>${counted(left, 'further comparison')} are not shown; ${where} holds them.</p>`}
<p class="kind"><b>What this does not show.</b> One seed and a few prompts: a fluent text does not show that nothing was lost, and a different text need not be worse.</p>`,
  };
}

/** The shades, with their limits between them. */
function scaleHtml(): Html {
  const [width, height] = [40, 12];
  const classes = ['m4', 'm3', 'm2', 'm1', undefined, 'p1', 'p2', 'p3', 'p4'];
  const limits = [
    ...shades.toReversed().map((share) => `−${share * 100}`),
    ...shades.map((share) => `+${share * 100}`),
  ];
  return html`<div class="scale"><b>Change in probability (percentage points)</b>
<svg viewBox="0 0 ${width * classes.length} ${height + 14}" role="img" aria-label="Shades from −60 and below, less likely in the variant, to +60 and above, more likely">
${classes.map((name, i) => html`<rect x="${i * width}" width="${width}" height="${height}" fill="${name ? `var(--${name})` : 'none'}" stroke="var(--rule)" stroke-width="0.5"/>`)}
${limits.map((text, i) => html`<text x="${(i + 1) * width}" y="${height + 12}" text-anchor="middle">${text}</text>`)}
</svg></div>`;
}

function comparisonHtml({ name, about, prompt, original, variant, folded }: Comparison): Html {
  const fork = firstDifference(original, variant);
  const where =
    fork === undefined
      ? 'The two texts are identical.'
      : `First differing token: ${fork + 1} of ${Math.max(original.pieces.length, variant.pieces.length)}.`;
  const sides = html`<p class="about">${about} ${where}</p>
<div class="sides">
${sideHtml('original', prompt, original, fork)}
${sideHtml(name, prompt, variant, fork)}
</div>`;
  if (folded) return html`<details class="pair"><summary><b>${name}</b></summary>${sides}</details>\n`;
  return html`<article class="pair"><h3>${name}</h3>${sides}</article>\n`;
}

function sideHtml(title: string, prompt: string, text: Continuation, fork: number | undefined): Html {
  return html`<div class="side"><h4>${title}</h4><p><span class="prompt">${prompt}</span>${tokens(text).map((token) => tokenHtml(token, fork))}</p>${text.pieces.length === 0 && html`<p class="about">${text.end ? sentence(endText(text.end)) : 'Ended at once, without a token'}.</p>`}</div>`;
}

interface Token {
  readonly text: string;
  /** Positions of its tokens: several where only together they make up characters. */
  readonly from: number;
  readonly to: number;
  readonly before: number;
  readonly after: number;
}

/** Tokens as they can be shown: one that leaves a character unfinished goes with those that finish it. */
function tokens({ pieces, original, variant }: Continuation): Token[] {
  const shown: Token[] = [];
  let [from, before, after] = [0, 0, 0];
  for (const [i, text] of pieces.entries()) {
    before += itemAt(original, i);
    after += itemAt(variant, i);
    if (text === '' && i < pieces.length - 1) continue;
    shown.push({ text, from, to: i, before: Math.exp(before), after: Math.exp(after) });
    [from, before, after] = [i + 1, 0, 0];
  }
  return shown;
}

/** A space before a token stays outside its shade. One of white space alone has its mark there, or the shade could not be seen. */
function tokenHtml({ text, from, to, before, after }: Token, fork: number | undefined): Html {
  const moved = after - before;
  const step = shades.filter((limit) => Math.abs(moved) >= limit).length;
  const shade = step > 0 ? html` class="${moved < 0 ? 'm' : 'p'}${step}"` : '';
  const [space = ''] = /^\s*/.exec(text) ?? [];
  const spelt = visible(new TextEncoder().encode(text));
  const isFork = fork !== undefined && from <= fork && fork <= to;
  const isBlank = space === text && (step > 0 || isFork);
  const word = isBlank ? spelt : text.slice(space.length);
  const token = html`<span${shade} title="${`${spelt} ${probability(before)} → ${probability(after)}`.trim()}">${word}</span>`;
  const drawn = isFork ? html`<mark class="fork">${token}</mark>` : token;
  return isBlank ? html`${drawn}${space}` : html`${space}${drawn}`;
}

function probability(value: number): string {
  return value < 0.0005 ? value.toExponential(0) : value.toFixed(3);
}

/** The first new token that is not the same, counted from 0; undefined where the texts are equal. */
function firstDifference(a: Continuation, b: Continuation): number | undefined {
  const [x, y] = [a, b].map(({ ids, pieces }) => ids.slice(ids.length - pieces.length));
  const length = Math.max(x?.length ?? 0, y?.length ?? 0);
  const at = Array.from({ length }, (_, i) => i).find((i) => x?.[i] !== y?.[i]);
  return at;
}
