// The page's script: read-outs at the pointer, toggles, sorting, CSV. Without it everything is there to be read.

/** Plain browser JavaScript. It reads the page and changes it; it asks nothing of any server. */
export const script = String.raw`'use strict';
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const made = (tag, more) => Object.assign(document.createElement(tag), more);

// Toggles: a series is shown or hidden in all figures at once.
for (const item of all('.legend li[data-key]')) {
  const box = made('input', { type: 'checkbox', checked: true, value: item.dataset.key });
  const label = made('label');
  label.append(box, ...item.childNodes);
  item.append(label);
}
document.addEventListener('change', ({ target }) => {
  if (!target.matches('.legend input')) return;
  for (const box of all('.legend input')) if (box.value === target.value) box.checked = target.checked;
  for (const mark of all('[data-s]')) if (mark.dataset.s === target.value) mark.classList.toggle('off', !target.checked);
});

// Read-outs at once, in place of the browser's own slow ones.
const tip = made('div', { id: 'tip', hidden: true });
tip.setAttribute('role', 'status');
document.body.append(tip);
for (const title of all('svg title')) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
for (const token of all('.side [title]')) {
  token.dataset.tip = token.title;
  token.removeAttribute('title');
}
document.addEventListener('pointerover', ({ target }) => {
  const mark = target.closest('[data-tip]');
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.dataset.tip;
  const at = mark.getBoundingClientRect();
  const left = at.left + at.width / 2 - tip.offsetWidth / 2;
  tip.style.left = Math.max(4, Math.min(left, innerWidth - tip.offsetWidth - 4)) + 'px';
  tip.style.top = (at.top > tip.offsetHeight + 12 ? at.top - tip.offsetHeight - 8 : at.bottom + 8) + 'px';
});
document.addEventListener('scroll', () => { tip.hidden = true; }, { passive: true });

// Sorting: numbers by what they are, not by how they are rounded.
const valueOf = (cell) => cell.dataset.v ?? cell.textContent;
const compare = (a, b) => {
  const [x, y] = [Number(a || NaN), Number(b || NaN)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return Number.isNaN(x) - Number.isNaN(y) || a.localeCompare(b, 'en', { numeric: true });
};
for (const head of all('thead th')) {
  const button = made('button', { type: 'button', textContent: head.textContent });
  head.replaceChildren(button);
  button.addEventListener('click', () => {
    const down = head.getAttribute('aria-sort') === 'ascending';
    const column = head.cellIndex;
    const body = head.closest('table').tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(valueOf(a.cells[column]), valueOf(b.cells[column])) * (down ? -1 : 1));
    body.append(...rows);
    for (const other of all('th', head.parentNode)) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  });
}

// CSV, with every digit, and the ends of intervals in columns of their own. A text that a spreadsheet would take for a
// formula is put behind an apostrophe.
const field = (text) => {
  const safe = /^[=+@-]/.test(text) && Number.isNaN(Number(text)) ? "'" + text : text;
  return /[",\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
};
for (const table of all('table[data-csv]')) {
  const button = made('button', { type: 'button', className: 'csv', textContent: 'Download CSV' });
  table.closest('.table').append(button);
  button.addEventListener('click', () => {
    const [head, ...rows] = [...table.rows].map(({ cells }) => [...cells]);
    const ranged = head.map((_, i) => rows.some((row) => row[i].dataset.low !== undefined));
    const titles = head.flatMap(({ textContent }, i) => {
      const title = textContent.replace(/ ?\[95 %\]$/, '');
      return ranged[i] ? [title, title + ' low', title + ' high'] : [title];
    });
    const values = rows.map((row) =>
      row.flatMap((cell, i) => (ranged[i] ? [valueOf(cell), cell.dataset.low ?? '', cell.dataset.high ?? ''] : [valueOf(cell)])),
    );
    const lines = [titles, ...values].map((texts) => texts.map(field).join(','));
    const url = URL.createObjectURL(new Blob([lines.join('\n') + '\n'], { type: 'text/csv' }));
    made('a', { href: url, download: table.dataset.csv + '.csv' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
}

// On paper everything is open.
let closed = [];
addEventListener('beforeprint', () => {
  closed = all('details:not([open])');
  for (const one of closed) one.open = true;
});
addEventListener('afterprint', () => {
  for (const one of closed) one.open = false;
});
`;
