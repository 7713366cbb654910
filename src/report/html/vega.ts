// Vega-Lite specification → a small SVG: what only Vega needs is taken out, words of a mark become its title.
import type { Config, TopLevelSpec } from 'vega-lite';
import { escaped, type Html, raw } from './html.ts';

export type Spec = TopLevelSpec;

/** Values of a specification's named data. */
export type Datasets = Readonly<Record<string, readonly object[]>>;

export function themeOf(width: number): Config {
  const size = width < 250 ? 10 : 11;
  return {
    padding: 3,
    font: 'inherit',
    aria: true,
    background: 'transparent',
    axis: {
      gridColor: 'var(--grid)',
      domainColor: 'var(--axis)',
      tickColor: 'var(--axis)',
      tickSize: 4,
      labelColor: 'var(--muted)',
      labelFontSize: size,
      titleColor: 'var(--muted)',
      titleFontSize: size + 1,
      titleFontWeight: 'normal',
      titlePadding: 6,
    },
    view: { stroke: 'transparent' },
  };
}

interface Compiled {
  readonly make: () => {
    data(name: string, values: unknown[]): unknown;
    toSVG(): Promise<string>;
    finalize(): unknown;
  };
}

/** Charts that differ in their data only, as small multiples do, are compiled once. */
const compiled = new Map<string, Promise<Compiled>>();

/**
 * @param about what the chart is, for those who do not see it
 * @param look a class of the style sheet
 */
export async function drawn(spec: Spec, data: Datasets, about: string, look?: string): Promise<Html> {
  const key = JSON.stringify(spec);
  const known = compiled.get(key) ?? compileOnce(spec);
  compiled.set(key, known);
  const view = (await known).make();
  for (const [name, values] of Object.entries(data)) view.data(name, [...values]);
  const svg = await view.toSVG();
  view.finalize();
  return raw(slimmed(svg, about, look));
}

/** Vega takes half a second to load, which only those who want a chart are to wait for. */
async function compileOnce(spec: Spec): Promise<Compiled> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const runtime = vega.parse(compile(spec).spec);
  return {
    make: () => {
      vega.resetSVGDefIds(); // names in the SVG are counted on from chart to chart otherwise
      return new vega.View(runtime, { renderer: 'none' });
    },
  };
}

/** Separates a mark's series from its words while both are one text; invisible, and unchanged by Vega. */
export const separator = '\u2063';

/**
 * One image with one name. Marks that carry a series and words as their label get the series as `data-s` and the words as
 * a title, which browsers show by themselves.
 */
function slimmed(svg: string, about: string, look?: string): string {
  const slim = svg
    .replace(/<path class="(?:background|foreground)"[^>]*\/>/g, '')
    .replace(/<text [^>]*\/>|<rect [^>]*fill="transparent"\/>/g, '')
    .replace(
      / (?:role|class|aria-roledescription|aria-hidden|pointer-events|xmlns:xlink|version|font-family)="[^"]*"/g,
      '',
    )
    .replace(/ (?:opacity|stroke-width)="1"| stroke-miterlimit="4"/g, '')
    .replace(/ (?:transform|d|[xy][12]?)="[^"]*"/g, rounded)
    .replace(/<(path|line|rect) aria-label="([^"\u2063]*)\u2063([^"]*)"([^>]*?)\/>/g, (_, tag, series, words, rest) => {
      const key = series ? ` data-s="${series}"` : '';
      return words ? `<${tag}${key}${rest}><title>${words}</title></${tag}>` : `<${tag}${key}${rest}/>`;
    })
    .replace(/ aria-label="[^"]*"/g, '')
    .replace('<svg ', `<svg${look ? ` class="${look}"` : ''} role="img" aria-label="${escaped(about)}" `);
  return withoutEmptyGroups(slim);
}

/** Places to a hundredth of a pixel. */
function rounded(attribute: string): string {
  return attribute.replace(/-?\d+\.\d{3,}/g, (number) => String(Math.round(Number(number) * 100) / 100));
}

function withoutEmptyGroups(svg: string): string {
  const fewer = svg.replace(/<g[^>]*\/>/g, '').replace(/<g[^>]*><\/g>/g, '');
  return fewer === svg ? svg : withoutEmptyGroups(fewer);
}
