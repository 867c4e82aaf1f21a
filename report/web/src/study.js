// The points of a study: pictures and a table over one model, so that filters and the selection are shared.
import { select } from 'd3-selection';
import { grouped } from './format.js';
import { StudyDetail } from './study_detail.js';
import { StudyHeat } from './study_heat.js';
import { Model } from './study_model.js';
import { StudyParallel } from './study_parallel.js';
import { StudyScatter } from './study_scatter.js';
import { StudyTable } from './study_table.js';

function section(place, title, about) {
  const part = select(place).append('section').attr('aria-label', title);
  part.append('h3').text(title);
  part.append('p').attr('class', 'note').text(about);
  return part.append('div').node();
}

// Builds everything into `place`; returns what draws it again when the page changes.
export function drawStudy(place, data) {
  const model = new Model(data);
  select(place).html('').classed('study', true);
  const bar = select(place).append('div').attr('class', 'toolbar');
  const count = bar.append('span').attr('role', 'status');
  bar.append('button').attr('type', 'button').text('show all').on('click', () => model.clearFilters());
  const say = () => {
    count.text(`${grouped(model.shown.length)} of ${grouped(model.count)} points shown` +
      (model.filters.size > 0 ? `: ${[...model.filters].map(([index, text]) => `${model.columns[index].label} ${text}`).join('; ')}` : ''));
  };
  model.subscribe((what) => { if (what === 'shown') say(); });
  say();

  const parts = [
    new StudyScatter(section(place, 'One figure against another',
      'The line joins the shown points that fit and that no other beats in both. Click a point, or focus the picture and use the arrow keys.'), model),
  ];
  const detail = new StudyDetail(select(place).append('section').attr('class', 'detail').attr('aria-label', 'selected point').node(), model);
  parts.push(
    new StudyParallel(section(place, 'Parallel coordinates',
      'One line a point. Drag along an axis to keep what crosses it there; the table below has the same filters as text.'), model),
    new StudyHeat(section(place, 'Heat map', 'Cells hold the points that fit; the strongest colour is the best. Click a cell for its best point.'), model));
  const table = new StudyTable(section(place, 'All points', 'A heading sorts; the fields below them filter: 8, 4..8, >= 40 GiB, zb, !gpipe.'), model);
  return () => {
    for (const part of parts) part.draw();
    detail.draw();
    detail.resize();
    table.draw();
  };
}
