// Results of lens, unlikely, probe, basis and outliers → a page of their own, or sections of another report.
import type { Finding } from '../../../analyses/results.ts';
import { describeRecipe } from '../../../operations/recipe.ts';
import { matrixWords } from '../../basis-columns.ts';
import { fewDocumentsWords, findingWords, readWords, trusted } from '../../findings.ts';
import { apartText, type Compared, settingsOfFinding } from '../apart.ts';
import { contentsHtml, type Section, sectionsHtml } from '../figure.ts';
import {
  commandHtml,
  factsHtml,
  footer,
  type Head,
  hash,
  headHtml,
  modelFact,
  modelFacts,
  modelName,
  versionsFact,
} from '../header.ts';
import { html } from '../html.ts';
import { pageHtml } from '../page.ts';
import { calibrationFacts } from '../rules.ts';
import { basisGlance, basisSections } from './basis.ts';
import { lensGlance, lensRead, lensSections } from './lens.ts';
import { outliersGlance, outliersSections } from './outliers.ts';
import { probeGlance, probeSections } from './probe.ts';
import { unlikelyGlance, unlikelySections } from './unlikely.ts';

/** A result, and what it is called where there are several of its kind. */
export interface FindingEntry {
  readonly label: string;
  readonly finding: Finding;
}

/** A result as a page shows it. To report on another command, add a case to {@link viewOf}. */
interface View {
  /** "the logit lens" */
  readonly name: string;
  readonly question: string;
  /** What was found, a sentence each. */
  readonly found: readonly string[];
  readonly read: string;
  readonly glance: Head['glance'];
  readonly sections: readonly Section[];
}

async function viewOf(whole: Finding): Promise<View> {
  const text = whole.result.text;
  const finding = text ? ({ ...whole, result: trusted(whole.result, text) } as Finding) : whole;
  const found = findingWords(finding);
  switch (finding.kind) {
    case 'lens': {
      const { result } = finding;
      return {
        name: 'the logit lens',
        question: 'Next-token predictions from every layer of the residual stream',
        found,
        read: lensRead(result),
        glance: lensGlance(result),
        sections: await lensSections(result),
      };
    }
    case 'unlikely': {
      const { result } = finding;
      return {
        name: 'unlikely tokens',
        question: 'Whether directions of near-impossible tokens are reused inside',
        found,
        read: readWords(result.text, result.variants[0]?.positions ?? Number.NaN),
        glance: unlikelyGlance(result),
        sections: await unlikelySections(result),
      };
    }
    case 'probe': {
      const { result } = finding;
      return {
        name: 'input probes',
        question: 'How well each layer of the residual stream predicts its input token, and from which directions',
        found,
        read: readWords(result.text, result.text.positions),
        glance: probeGlance(result),
        sections: await probeSections(result),
      };
    }
    case 'basis': {
      const { result } = finding;
      return {
        name: `a basis of the ${matrixWords[result.of]}`,
        question: 'An ordered basis of the vocabulary’s matrix, and the share of each map along it',
        found,
        read: readWords(result.text, result.text.positions),
        glance: basisGlance(result),
        sections: await basisSections(result),
      };
    }
    case 'outliers': {
      const { result } = finding;
      return {
        name: 'outliers',
        question: 'The largest numbers around the down projections, and the single weights behind them',
        found,
        read: readWords(result.text, result.text.positions),
        glance: outliersGlance(result),
        sections: await outliersSections(result),
      };
    }
  }
}

/**
 * The page of one or more results, as one HTML document. The same results always give the same bytes.
 * @param command by which a page of several can be made again
 */
export async function findingsPage(entries: readonly FindingEntry[], command: string): Promise<string> {
  const [first] = entries;
  const alone = entries.length === 1 && first ? await viewOf(first.finding) : undefined;
  const sections = alone ? alone.sections : await findingSections(entries);
  const head = alone && first ? headOf(first.finding, alone) : headOfSeveral(entries, command);
  return pageHtml(
    head.title,
    html`${headHtml(head, contentsHtml(sections))}<main>\n${sectionsHtml(sections)}</main>\n${footer}`,
  );
}

/** The page that results are sections of. */
export interface Report {
  /** By which it can be made again. */
  readonly command: string;
  /** What it is otherwise about. */
  readonly others: readonly Compared[];
}

/** Results as sections of another page: theirs, and one that says where they come from. */
export async function findingSections(entries: readonly FindingEntry[], report?: Report): Promise<Section[]> {
  if (entries.length === 0) return [];
  const views: { entry: FindingEntry; view: View }[] = [];
  for (const entry of entries) views.push({ entry, view: await viewOf(entry.finding) });
  const isLabelled = ({ finding: { kind } }: FindingEntry) =>
    entries.filter((one) => one.finding.kind === kind).length > 1;
  const sections = views.flatMap(({ entry, view }, i) => {
    const before = views.slice(0, i).flatMap((one) => one.view.sections.map(({ id }) => id));
    return view.sections.map((section) => ({
      ...section,
      id: before.includes(section.id) ? `${section.id}-of-${i + 1}` : section.id,
      title: isLabelled(entry) ? `${section.title} (${entry.label})` : section.title,
    }));
  });
  return [...sections, sourcesSection(views, report)];
}

function sourcesSection(
  views: readonly { readonly entry: FindingEntry; readonly view: View }[],
  report: Report | undefined,
): Section {
  const apart =
    report && apartText('The results on this page', [...report.others, ...views.map(({ entry }) => compared(entry))]);
  return {
    id: 'findings',
    title: 'Sources of the results',
    ...(apart === undefined ? {} : { lead: apart }),
    figures: [],
    rest: html`${views.map(
      ({ entry: { label, finding }, view }) =>
        html`<h3>${label}: ${view.name}</h3>${commandHtml(finding.result.command)}${factsHtml([...factsOf(finding.result, view), ...madeOf(finding.result)])}`,
    )}${report && html`<h3>This page</h3>${commandHtml(report.command)}`}`,
  };
}

function headOf({ kind, result }: Finding, { name, question, found, read, glance }: View): Head {
  const { model, recipe, command } = result;
  const operated = recipe ? `, with and without ${describeRecipe(recipe, model.layers)}` : '';
  return {
    kind: `surgery ${kind}: looking inside`,
    title: `${modelName(model.ref)}: ${name}${operated}`,
    verdict: found,
    ...(found.length > 0 ? {} : { lead: `${question}.` }),
    ...(model.notice ? { notice: model.notice } : {}),
    command,
    glance,
    facts: factsOf(result, { read }),
    made: madeOf(result),
  };
}

const compared = ({ label, finding }: FindingEntry): Compared => ({ label, settings: settingsOfFinding(finding) });

function headOfSeveral(entries: readonly FindingEntry[], command: string): Head {
  const apart = apartText('These results', entries.map(compared));
  return {
    kind: 'Analyses by surgery: several results on one page',
    title: [...new Set(entries.map(({ label }) => label))].join(' · '),
    ...(apart === undefined ? {} : { notice: apart }),
    command,
    facts: [],
    glance: [],
  };
}

function factsOf(info: Finding['result'], { read }: Pick<View, 'read'>): Head['facts'] {
  const { model, recipe, precision, seed } = info;
  const few = info.text && fewDocumentsWords(info.text);
  return [
    ['Model', modelFact(model)],
    ...(recipe ? [['Operation', describeRecipe(recipe, model.layers)] as const] : []),
    ['Read', read],
    ...calibrationFacts(info.calibration),
    ...(few ? [['Intervals', few] as const] : []),
    ['Precision', `${precision}; seed ${seed}`],
  ];
}

/** Hashes and versions that the command alone does not fix. */
function madeOf({ model, versions, documentsSha256 }: Finding['result']): NonNullable<Head['made']> {
  return [
    ['Versions', versionsFact(versions)],
    ...modelFacts(model),
    ...(documentsSha256 ? [['of the documents’ tokens', hash(documentsSha256)] as const] : []),
  ];
}
