// A heat map over two columns: each cell the best, the mean or the number of the shown points in it. A click (or
// Enter) selects the best point of a cell; arrow keys go from cell to cell.
import { bin, extent, mean } from 'd3-array';
import { scaleBand, scaleLinear } from 'd3-scale';
import { select } from 'd3-selection';
import { columnChoice } from './study_controls.js';
import { hideTooltip, showTooltip } from './tooltip.js';

const kLeft = 120;
const kBottom = 40;
const kShades = 10;

// The cells of one axis: a step for each value, or bins of equal width.
function cellsOf(column) {
  if (column.steps) {
    const place = new Map(column.steps.map((value, index) => [value, index]));
    return { labels: column.steps.map((value) => column.tick(value)), of: (row) => place.get(column.values[row]) ?? -1 };
  }
  const [low, high] = column.extent;
  const bins = bin().domain([low, high]).thresholds(16)([low, high]);
  const width = bins.map((each) => [each.x0, each.x1]);
  return {
    labels: width.map(([from]) => `${column.tick(from)}\u2026`),
    of: (row) => {
      const value = column.number(row);
      return width.findIndex(([from, to], index) => value >= from && (value < to || index === width.length - 1));
    },
  };
}

// At first: the two varied columns with the most values that still fit side by side.
function firstAxes(model) {
  const settings = model.columns.filter((column) => column.setting && column.steps && column.steps.length > 1);
  const columns = settings.length > 1 ? settings : [...settings, ...model.columns.filter((column) => !column.own)];
  return [columns[0], columns.find((column) => column !== columns[0]) ?? columns[0]];
}

export class StudyHeat {
  constructor(place, model) {
    this.model = model;
    this.place = place;
    [this.y, this.x] = firstAxes(model);
    this.figure = model.x;
    this.how = 'best';
    const { columns } = model;
    const figures = columns.filter((column) => column.numeric && !column.own);
    const bar = select(place).append('div').attr('class', 'choices').node();
    const set = (name) => (column) => { this[name] = column; this.draw(); };
    bar.append(columnChoice('x', columns, this.x, set('x')), columnChoice('y', columns, this.y, set('y')),
      columnChoice('of', figures, this.figure, set('figure')));
    const how = select(bar).append('label').text('cell ').append('select').on('change', (event) => {
      this.how = event.target.value;
      this.draw();
    });
    for (const name of ['best', 'mean', 'points']) how.append('option').text(name);
    this.picture = select(place).append('div').node();
    model.subscribe((what) => { if (what === 'shown') this.draw(); });
  }

  // [{i, j, rows, value, best}] of the cells that hold points. Points that do not fit are left out, so that
  // the best of a cell is one that can run.
  cells(across, up) {
    const found = new Map();
    for (const row of this.model.shown) {
      const [i, j] = [across.of(row), up.of(row)];
      if (i < 0 || j < 0 || !this.model.fits(row) || Number.isNaN(this.figure.number(row))) continue;
      const key = `${i},${j}`;
      if (!found.has(key)) found.set(key, { i, j, rows: [] });
      found.get(key).rows.push(row);
    }
    const sign = this.figure.better === 'more' ? -1 : 1;
    for (const cell of found.values()) {
      cell.best = cell.rows.reduce((a, b) => (sign * this.figure.number(b) < sign * this.figure.number(a) ? b : a));
      cell.value = this.how === 'points' ? cell.rows.length
        : this.how === 'mean' ? mean(cell.rows, (row) => this.figure.number(row)) : this.figure.number(cell.best);
    }
    return [...found.values()];
  }

  text(value) { return this.how === 'points' ? String(value) : this.figure.textOf(value); }

  draw() {
    const [across, up] = [cellsOf(this.x), cellsOf(this.y)];
    const cells = this.cells(across, up);
    const width = Math.min(Math.max(320, this.place.clientWidth), kLeft + 120 * across.labels.length);
    const height = Math.min(560, 34 * up.labels.length) + kBottom;
    const x = scaleBand(across.labels.keys(), [kLeft, width - 4]).padding(0.04);
    const y = scaleBand(up.labels.keys(), [height - kBottom, 4]).padding(0.04);
    const [low, high] = extent(cells, (cell) => cell.value);
    // The best has the strongest colour, whichever direction that is.
    const less = this.how !== 'points' && this.figure.better === 'less';
    const shade = scaleLinear([low ?? 0, high === low ? low + 1 : high ?? 1], less ? [kShades, 1] : [1, kShades]);
    const svg = select(this.picture).html('').append('svg').attr('viewBox', `0 0 ${width} ${height}`)
      .style('max-width', `${width}px`).attr('role', 'group')
      .attr('aria-label', `heat map of ${this.figure.label} by ${this.x.label} and ${this.y.label}`);
    this.drawLabels(svg, across.labels, up.labels, x, y, width, height);
    const group = svg.append('g').selectAll('g').data(cells).join('g').attr('class', 'cell')
      .attr('tabindex', (_, index) => (index === 0 ? 0 : -1)).attr('role', 'button')
      .attr('aria-label', (cell) => this.told(cell, across, up).replaceAll('\n', ', '))
      .on('pointermove', (event, cell) => showTooltip(event, this.told(cell, across, up)))
      .on('pointerleave', hideTooltip)
      .on('click', (_, cell) => this.model.select(cell.best))
      .on('keydown', (event, cell) => this.pressed(event, cell, group));
    const level = (cell) => Math.round(shade(cell.value));
    group.append('rect').attr('x', (cell) => x(cell.i)).attr('y', (cell) => y(cell.j))
      .attr('width', x.bandwidth()).attr('height', y.bandwidth()).attr('rx', 2).attr('fill', (cell) => `var(--g${level(cell)})`);
    const room = x.bandwidth() / 7;
    group.append('text').attr('x', (cell) => x(cell.i) + x.bandwidth() / 2).attr('y', (cell) => y(cell.j) + y.bandwidth() / 2 + 4)
      .attr('text-anchor', 'middle').attr('class', (cell) => (level(cell) > 6 ? 'in-box' : ''))
      .text((cell) => (this.text(cell.value).length <= room && y.bandwidth() > 13 ? this.text(cell.value) : ''));
  }

  drawLabels(svg, across, up, x, y, width, height) {
    const every = Math.ceil(across.length / Math.max(1, Math.floor((width - kLeft) / 62)));
    svg.append('g').selectAll('text').data(across).join('text').attr('text-anchor', 'middle')
      .attr('x', (_, index) => x(index) + x.bandwidth() / 2).attr('y', height - kBottom + 15)
      .text((label, index) => (index % every ? '' : label.length > x.bandwidth() * every / 6 ? `${label.slice(0, Math.max(3, x.bandwidth() * every / 6 - 1))}\u2026` : label));
    svg.append('g').selectAll('text').data(up).join('text').attr('text-anchor', 'end')
      .attr('x', kLeft - 8).attr('y', (_, index) => y(index) + y.bandwidth() / 2 + 4)
      .text((label) => (label.length > 17 ? `${label.slice(0, 16)}\u2026` : label)).append('title').text((label) => label);
    svg.append('text').attr('x', width - 4).attr('y', height - 6).attr('text-anchor', 'end').attr('class', 'faint').text(`${this.x.label} \u2192`);
    svg.append('text').attr('x', 0).attr('y', height - 6).attr('class', 'faint').text(`\u2191 ${this.y.label}`);
  }

  told(cell, across, up) {
    const lines = [`${this.x.label} ${across.labels[cell.i]}, ${this.y.label} ${up.labels[cell.j]}`];
    lines.push(`${cell.rows.length} ${cell.rows.length === 1 ? 'point' : 'points'}; best: point ${this.model.data.ids[cell.best]}`);
    lines.push(`${this.figure.label}: best ${this.figure.text(cell.best)}, mean ${this.figure.textOf(mean(cell.rows, (row) => this.figure.number(row)))}`);
    return lines.join('\n');
  }

  pressed(event, cell, group) {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      return this.model.select(cell.best);
    }
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step) return;
    event.preventDefault();
    // The nearest cell that way.
    const ahead = group.data().filter((other) => (other.i - cell.i) * step[0] + (other.j - cell.j) * step[1] > 0);
    ahead.sort((a, b) => Math.abs(a.i - cell.i) + Math.abs(a.j - cell.j) - Math.abs(b.i - cell.i) - Math.abs(b.j - cell.j));
    if (ahead.length > 0) group.filter((other) => other === ahead[0]).node().focus();
  }
}
