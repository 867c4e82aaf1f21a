// Every shown point in two columns of the reader's choice, with the line of those that no other beats in both.
// A click selects the nearest point; with the keyboard, left and right go from point to point, up and down along
// the front.
import { tickStep } from 'd3-array';
import { axisBottom, axisLeft } from 'd3-axis';
import { scaleLinear, scaleLog, scalePoint } from 'd3-scale';
import { select } from 'd3-selection';
import { durationTicks } from './format.js';
import { colourLegend, colouring, columnChoice, layers, palette, pointerIn, resized, tick } from './study_controls.js';
import { hideTooltip, showTooltip } from './tooltip.js';

const kLeft = 84;
const kTop = 10;
const kBottom = 40;
const kHeight = 460;
const kReach = 14; // of the pointer
const kWide = 20; // axes over more than this ratio are logarithmic at first

// The first settings and both figures of a point, for tooltips.
export function brief(model, row, figures) {
  const settings = model.columns.filter((column) => column.setting).slice(0, 8);
  const lines = [`point ${model.data.ids[row]}${model.fits(row) ? '' : ', does not fit'}`];
  lines.push(settings.map((column) => `${column.label} ${column.text(row)}`).join(', '));
  for (const column of new Set(figures)) lines.push(`${column.label}: ${column.text(row)}`);
  return lines.join('\n');
}

// A scale of a column over `range`: its steps, or its numbers with a little room around them.
export function scaleOf(column, range, logarithmic) {
  if (!column.numeric) {
    const steps = scalePoint(column.steps, range).padding(0.5);
    return { at: (row) => steps(column.values[row]), axis: steps, ticks: column.steps };
  }
  let [low, high] = column.extent;
  if (low === high) [low, high] = [low - Math.abs(low) / 2 - 1e-12, high + Math.abs(high) / 2 + 1e-12];
  const log = logarithmic && low > 0;
  const room = 0.04 * (high - low);
  const scale = log ? scaleLog([low / (high / low) ** 0.04, high * (high / low) ** 0.04], range)
    : scaleLinear([low >= 0 ? Math.max(0, low - room) : low - room, high + room], range);
  return { at: (row) => scale(column.number(row)), axis: scale, ticks: ticksOf(column, scale, log) };
}

export function ticksOf(column, scale, log) {
  const [low, high] = scale.domain();
  if (log) {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); ++power) {
      for (const digit of [1, 2, 5]) all.push(digit * 10 ** power);
    }
    const within = all.filter((value) => value >= low && value <= high);
    return within.length > 0 ? within : [low, high];
  }
  if (column.unit !== 'B') return scale.ticks(7);
  const step = 2 ** Math.round(Math.log2((high - low) / 7)); // whole GiB
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; ++i) ticks.push(i * step);
  return ticks;
}

export function tickText(column, scale) {
  if (!column.numeric) return (value) => (value.length > 14 ? `${value.slice(0, 13)}\u2026` : value);
  if (column.unit !== 's' || scale.axis.base) return (value) => column.tick(value);
  const [low, high] = scale.axis.domain();
  return durationTicks(high, tickStep(low, high, 7));
}

export class StudyScatter {
  constructor(place, model) {
    this.model = model;
    this.x = model.x;
    this.y = model.y;
    const wide = (column) => column.numeric && column.extent[0] > 0 && column.extent[1] > kWide * column.extent[0];
    this.log = { x: wide(this.x), y: wide(this.y) };
    this.place = place;
    const bar = select(place).append('div').attr('class', 'choices').node();
    const set = (name) => (column) => { this[name] = column; this.draw(); };
    bar.append(columnChoice('x', model.columns, this.x, set('x')), columnChoice('y', model.columns, this.y, set('y')),
      columnChoice('colour', model.columns, null, (column) => model.colourBy(column), 'whether it fits'),
      tick('log x', this.log.x, (on) => { this.log.x = on; this.draw(); }),
      tick('log y', this.log.y, (on) => { this.log.y = on; this.draw(); }));
    this.key = select(place).append('div').node();
    this.layers = layers(place, 'scatter plot of the points; arrow keys select');
    const { svg } = this.layers;
    svg.addEventListener('pointermove', (event) => this.hover(event));
    svg.addEventListener('pointerleave', hideTooltip);
    svg.addEventListener('click', (event) => {
      const row = this.nearest(event);
      if (row >= 0) model.select(row);
    });
    svg.addEventListener('keydown', (event) => this.pressed(event));
    model.subscribe((what) => (what === 'selected' ? this.mark() : this.draw()));
  }

  draw() {
    const { model, x, y } = this;
    this.key.replaceChildren(colourLegend(model));
    this.width = Math.max(320, this.place.clientWidth);
    const context = resized(this.layers, this.width, kHeight);
    this.across = scaleOf(x, [kLeft, this.width - 16], this.log.x);
    this.up = scaleOf(y, [kHeight - kBottom, kTop], this.log.y);
    this.rows = model.shown.filter((row) => Number.isFinite(this.across.at(row)) && Number.isFinite(this.up.at(row)));
    this.front = model.front(x, y);
    this.drawAxes();
    this.drawPoints(context);
    this.mark();
  }

  drawAxes() {
    const svg = select(this.layers.svg).html('');
    const { x, y, across, up, width } = this;
    svg.append('g').attr('transform', `translate(0,${kHeight - kBottom})`)
      .call(axisBottom(across.axis).tickValues(across.ticks).tickFormat(tickText(x, across))
        .tickSizeInner(kTop + kBottom - kHeight).tickSizeOuter(0).tickPadding(6));
    svg.append('g').attr('transform', `translate(${kLeft},0)`)
      .call(axisLeft(up.axis).tickValues(up.ticks).tickFormat(tickText(y, up))
        .tickSizeInner(kLeft + 16 - width).tickSizeOuter(0).tickPadding(6));
    svg.append('text').attr('x', width - 16).attr('y', kHeight - 4).attr('text-anchor', 'end').text(x.label);
    svg.append('text').attr('x', kLeft + 6).attr('y', kTop + 12).text(y.label);
    const line = this.front.map((row) => `${across.at(row)},${up.at(row)}`).join('L');
    if (line) svg.append('path').attr('class', 'front').attr('d', `M${line}`);
    svg.append('g').selectAll('circle').data(this.front).join('circle').attr('class', 'on-front')
      .attr('r', 4.5).attr('cx', (row) => across.at(row)).attr('cy', (row) => up.at(row)).attr('data-row', (row) => row);
    this.marker = svg.append('circle').attr('class', 'selected').attr('r', 9);
  }

  drawPoints(context) {
    const colourOf = colouring(this.model);
    const { bubble } = palette();
    const radius = this.rows.length > 4000 ? 2 : this.rows.length > 600 ? 2.8 : 3.6;
    context.globalAlpha = this.rows.length > 4000 ? 0.6 : 0.85;
    for (const fitting of [false, true]) { // those that fit lie above
      for (const row of this.rows) {
        if (this.model.fits(row) !== fitting) continue;
        context.beginPath();
        context.arc(this.across.at(row), this.up.at(row), radius, 0, 2 * Math.PI);
        context.fillStyle = fitting ? colourOf(row) : bubble;
        context.fill();
      }
    }
  }

  mark() {
    const { selected } = this.model;
    const there = this.rows?.includes(selected);
    this.marker?.attr('display', there ? null : 'none');
    if (there) this.marker.attr('cx', this.across.at(selected)).attr('cy', this.up.at(selected));
  }

  nearest(event) {
    const [px, py] = pointerIn(this.layers.svg, event, this.width);
    let best = -1;
    let least = kReach ** 2;
    for (const row of this.rows) {
      const distance = (this.across.at(row) - px) ** 2 + (this.up.at(row) - py) ** 2;
      if (distance < least || (distance === least && best < 0)) [best, least] = [row, distance];
    }
    return best;
  }

  hover(event) {
    const row = this.nearest(event);
    if (row < 0) return hideTooltip();
    showTooltip(event, brief(this.model, row, [this.x, this.y, ...(this.model.colour ? [this.model.colour] : [])]));
  }

  pressed(event) {
    const along = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!along) return;
    event.preventDefault();
    const sideways = event.key === 'ArrowRight' || event.key === 'ArrowLeft' || this.front.length === 0;
    const order = sideways ? [...this.rows].sort((a, b) => this.across.at(a) - this.across.at(b) || a - b) : this.front;
    const at = order.indexOf(this.model.selected);
    const to = at < 0 ? 0 : Math.min(order.length - 1, Math.max(0, at + along));
    if (order.length > 0) this.model.select(order[to]);
  }
}
