// Draws the pictures of a report page: each <div data-chart="ID"> from data.charts[ID], a struct of
// report/html/charts.hpp. Makes the tables sortable.
import { drawBars } from './bars.js';
import { Gantt } from './gantt.js';
import { drawHistogram } from './histogram.js';
import { drawScatter } from './scatter.js';
import { makeSortable } from './sortable.js';
import { drawStudy } from './study.js';

const data = JSON.parse(document.getElementById('orrery-data').textContent);
const redraws = [];
const gantts = [];

for (const place of document.querySelectorAll('[data-chart]')) {
  const chart = data.charts[place.dataset.chart];
  place.replaceChildren();
  if (chart.kind === 'gantt') {
    gantts.push(new Gantt(place, chart, gantts));
    continue;
  }
  const draw = { bars: drawBars, scatter: drawScatter, histogram: drawHistogram }[chart.kind];
  redraws.push(() => draw(place, chart));
}
for (const place of document.querySelectorAll('[data-study]')) redraws.push(drawStudy(place, data.study));
for (const table of document.querySelectorAll('table.sortable')) makeSortable(table);

// Pictures follow the width of the page, the colour scheme and the printer. SVG pictures scale and take their
// colours from the style sheet by themselves; canvases must be drawn again.
function redraw() {
  for (const draw of redraws) draw();
  for (const gantt of gantts) gantt.resize();
}
redraw();

let width = document.body.clientWidth;
new ResizeObserver(() => {
  if (document.body.clientWidth === width) return;
  width = document.body.clientWidth;
  requestAnimationFrame(redraw); // not inside the observer: drawing changes sizes
}).observe(document.body);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
matchMedia('print').addEventListener('change', redraw);
addEventListener('afterprint', redraw);
