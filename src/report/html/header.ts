// A report's head: what was done to which model, the command that repeats it, and the hashes that identify it.
import { counted, integer } from '../format.ts';
import { type Html, html } from './html.ts';

export interface Head {
  /** What kind of report this is: "A sweep by surgery". */
  readonly kind: string;
  readonly title: string;
  /** What was found, a sentence each, the most important first. */
  readonly verdict?: readonly string[];
  readonly lead?: string;
  /** Why another model stands in for the default one. */
  readonly notice?: string;
  readonly command: string;
  readonly facts: readonly Fact[];
  /** Folded: the rule of the scores, versions and hashes, which reproducing the result needs. */
  readonly made?: readonly Fact[];
  /** The figures that matter most. */
  readonly glance: readonly (readonly [value: string, what: string])[];
}

type Fact = readonly [name: string, value: string | Html];

/** Where the page says how its figures are made; captions link to it. */
export const madeId = 'made';

export function headHtml(head: Head, contents: Html): Html {
  const { kind, title, verdict = [], lead, notice, command, facts, made = [], glance } = head;
  const [first, ...others] = verdict;
  return html`<header>
<p class="kind">${kind}</p>
<h1>${title}</h1>
${first && html`<p class="lead"><b>${first}</b> ${others.join(' ')}</p>`}
${lead && html`<p class="lead">${lead}</p>`}
${glance.length > 0 && html`<dl class="glance">${glance.map(([value, what]) => html`<div><dt>${what}</dt><dd>${value}</dd></div>`)}</dl>`}
${notice && html`<p class="notice">${notice}</p>`}
${factsHtml(facts)}
${madeHtml(command, made)}
${contents}
</header>
`;
}

/** The command alone is short enough to stand open. */
function madeHtml(command: string, made: readonly Fact[]): Html {
  if (made.length === 0) return commandHtml(command);
  // The address is that of a part within, which browsers unfold when a link leads to it.
  return html`<details class="made"><summary>How this was made</summary><div id="${madeId}">${commandHtml(command)}${factsHtml(made)}</div></details>`;
}

/**
 * A command, as results record it, to be pasted where the package is: its lines break between words only, as an option has
 * hyphens of its own.
 */
export function commandHtml(command: string): Html {
  const words = `npx ${command}`
    .split(' ')
    .map((word, i) => html`${i > 0 && ' '}${word.length < 36 ? html`<span>${word}</span>` : word}`);
  return html`<code class="command">${words}</code>`;
}

export function factsHtml(facts: readonly Fact[]): Html {
  return html`<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

export function hash(value: string): Html {
  return html`<span class="hash">${value}</span>`;
}

/** A model in a title: of a folder its own name, without the folders that it lies in; of the Hub, all of it. */
export function modelName(ref: string): string {
  if (/^(?!\.{1,2}\/)[\w.-]+\/[\w.-]+(@|$)/.test(ref)) return ref;
  const folders = ref.split('/').filter(Boolean);
  // That of a run's checkpoint is always `model`.
  return folders.slice(folders.at(-1) === 'model' ? -2 : -1).join('/') || ref;
}

/** Long facts about a model: its folder, where that is not its name, and the hash of its weights. */
export function modelFacts({ ref, sha256 }: { readonly ref: string; readonly sha256: string }): Fact[] {
  return [
    ...(modelName(ref) === ref ? [] : [['Model’s folder', ref] as const]),
    ['SHA-256 of the weights', hash(sha256)],
  ];
}

/** "pocket: LlamaForCausalLM, 6 layers, 1,369,728 parameters, BF16" */
export function modelFact(model: {
  readonly ref: string;
  readonly architecture: string;
  readonly layers: number;
  readonly parameters: number;
  readonly dtype: string;
}): string {
  const { ref, architecture, layers, parameters, dtype } = model;
  return `${modelName(ref)}: ${architecture}, ${counted(layers, 'layer')}, ${integer(parameters)} parameters, ${dtype}`;
}

/** "surgery 0.1.0, onnxruntime 1.30.0" */
export function versionsFact(versions: Readonly<Record<string, string>>): string {
  return Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
}

export const footer = html`<footer>Made by surgery from the files in this folder; <code>surgery report</code> with the folder makes it again. Self-contained: the page makes no
network requests.</footer>`;
