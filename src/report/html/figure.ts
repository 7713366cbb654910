// What a report is made of: sections of figures, each with its caption and the table behind it.
import type { Series } from './axes.ts';
import { madeId } from './header.ts';
import { type Html, html } from './html.ts';
import { type DataTable, tableHtml } from './table.ts';

/** To add something to a report, write a function that returns one of these and name it in the page's list of sections. */
export interface Section {
  /** Of the address within the page. */
  readonly id: string;
  readonly title: string;
  readonly lead?: string;
  readonly figures: readonly Figure[];
  /** What comes after the figures. */
  readonly rest?: Html;
}

export interface Figure {
  readonly title: string;
  /** How the numbers are computed, and how to read them. */
  readonly caption: string;
  /** What the figure does not show, such as an unmatched comparison. */
  readonly notShown?: string;
  readonly panels: readonly FigurePanel[];
  /** The same over several axes, of which one is seen at a time on a screen; in place of panels. */
  readonly tabs?: readonly Tab[];
  /** Layout of the panels: two in a row, three, many small ones, a single one, or wide ones at their own size. Default: a few. */
  readonly layout?: 'few' | 'third' | 'small' | 'one' | 'wide';
  readonly legend?: readonly Series[];
  /** Whether its numbers are scores of the page's text, whose rule stands once on the page. */
  readonly scored?: boolean;
  readonly table?: DataTable;
  /** Whether the table is open from the start, as where it is the figure itself. */
  readonly open?: boolean;
}

interface FigurePanel {
  readonly title?: string;
  readonly svg: Html;
}

/** A figure's legend or what it does not show may stand in its tabs instead. */
export interface Tab extends Pick<Figure, 'panels' | 'legend' | 'notShown'> {
  readonly name: string;
}

/** Sections in their order, with their figures numbered through, and their tables. */
export function sectionsHtml(sections: readonly Section[]): Html {
  const counts = { Figure: 0, Table: 0 };
  const parts = sections.map(
    ({ id, title, lead, figures, rest }) => html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${lead && html`<p>${lead}</p>`}
${figures.map((figure) => figureHtml(figure, ++counts[kindOf(figure)]))}
${rest}
</section>
`,
  );
  return html`${parts}`;
}

/** Links to the sections. */
export function contentsHtml(sections: readonly Section[]): Html {
  return html`<nav aria-label="Contents"><ul>${sections.map(
    ({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`,
  )}</ul></nav>`;
}

function kindOf({ panels, tabs = [] }: Figure) {
  return panels.length + tabs.length > 0 ? 'Figure' : 'Table';
}

function figureHtml(figure: Figure, number: number): Html {
  const { title, caption, notShown, panels, tabs = [], legend = [], scored, table, open } = figure;
  const kind = kindOf(figure);
  const [only, ...others] = tabs;
  const drawn = (shown: Pick<Tab, 'panels' | 'legend'>) =>
    html`${panelsHtml(shown.panels, figure, number)}${legendHtml(shown.legend)}`;
  const link = scored && html` <a href="#${madeId}">Text, rule and intervals.</a>`;
  return html`<figure id="${kind.toLowerCase()}-${number}">
${others.length > 0 ? tabsHtml(tabs, drawn, number) : drawn(only ?? { panels })}
${legendHtml(legend)}
${table && open && tableHtml(table, `${kind} ${number}: ${table.about}`)}
<figcaption><b>${kind} ${number}. ${title}${title.endsWith('?') ? '' : '.'}</b> ${kept(caption)}${link}${notShownHtml(notShown ?? (others.length > 0 ? undefined : only?.notShown))}</figcaption>
${table && !open && html`<details><summary>Table of figure ${number}</summary>${tableHtml(table, `Table of figure ${number}: ${table.about}`)}</details>`}
</figure>
`;
}

/** Tabs without a script: a radio button each, of which the style sheet shows the checked one's part. Paper has them all. */
function tabsHtml(tabs: readonly Tab[], drawn: (tab: Tab) => Html, number: number): Html {
  const group = `tabs-${number}`;
  return html`<div class="tabs" role="radiogroup" aria-label="x axis of figure ${number}">
${tabs.map(({ name }, i) => html`<label><input type="radio" name="${group}"${i === 0 && html` checked`}> ${name}</label>`)}
${tabs.map((tab) => html`<div class="tab"><p class="name">${tab.name}</p>${drawn(tab)}${tab.notShown && html`<div class="about">${notShownHtml(tab.notShown)}</div>`}</div>`)}
</div>`;
}

function panelsHtml(panels: readonly FigurePanel[], { title, layout = 'few' }: Figure, number: number): Html | false {
  const drawn = panels.map(({ title: name, svg }) => {
    const shown =
      layout === 'wide'
        ? html`<div class="scroll" tabindex="0" role="region" aria-label="Figure ${number}: ${name ?? title}">${svg}</div>`
        : svg;
    return html`<div class="panel">${name && html`<p>${name}</p>`}${shown}</div>\n`;
  });
  return panels.length > 0 && html`<div class="panels ${layout}">${drawn}</div>`;
}

function legendHtml(legend: readonly Series[] = []): Html | false {
  return legend.length > 0 && html`<ul class="legend">${legend.map(legendEntry)}</ul>`;
}

function notShownHtml(text: string | undefined): Html | false {
  return text !== undefined && html`<p><b>What this does not show.</b> ${kept(text)}</p>`;
}

/** A number stays with its sign. */
const kept = (text: string) => text.replaceAll(' %', '\u00a0%');

const outlines: Readonly<Record<NonNullable<Series['shape']>, string>> = {
  circle: 'M12,2a4,4,0,1,1,-.01,0Z',
  square: 'M8.500,2.500h7v7h-7Z',
  'triangle-up': 'M12,1.500L16.500,9.500H7.500Z',
  'triangle-down': 'M12,10.500L16.500,2.500H7.500Z',
  diamond: 'M12,1L16,6L12,11L8,6Z',
  cross: 'M10.700,2h2.600v2.700h2.700v2.600h-2.700v2.700h-2.600v-2.700h-2.700v-2.600h2.700Z',
};

function legendEntry({ name, colour, shape, dashed, rule }: Series): Html {
  const paint = `var(--${colour})`;
  const line = rule && html`<path d="M0,6H24" stroke="${paint}" stroke-width="1.5" stroke-dasharray="2,3"/>`;
  const sample = line
    ? line
    : shape
      ? html`<path d="M0,6H24" stroke="${paint}" stroke-width="2"${dashed && html` stroke-dasharray="5,3"`}/><path d="${outlines[shape]}" fill="${paint}"/>`
      : html`<rect y="1" width="24" height="10" fill="${paint}" opacity="0.45"/>`;
  return html`<li data-key="${name}"><svg viewBox="0 0 24 12" aria-hidden="true">${sample}</svg><span>${name}</span></li>`;
}
