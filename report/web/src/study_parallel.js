// Parallel coordinates: one axis a column, one line a point. A range brushed on an axis becomes the filter of its
// column, where it can be read and changed by keyboard as well.
import { axisLeft } from 'd3-axis';
import { brushY } from 'd3-brush';
import { scaleLinear, scalePoint } from 'd3-scale';
import { select } from 'd3-selection';
import { significant } from './format.js';
import { colouring, layers, palette, pointerIn, resized, tick } from './study_controls.js';
import { brief, ticksOf } from './study_scatter.js';
import { hideTooltip, showTooltip } from './tooltip.js';

const kTop = 30;
const kBottom = 14;
const kHeight = 380;
const kMostBehind = 1500; // lines of points that are filtered out
const kReach = 7;

function scaleOf(column) {
  const range = [kHeight - kBottom, kTop];
  if (column.steps) {
    const scale = scalePoint(column.steps, range).padding(0.3);
    return { scale, at: (row) => scale(column.values[row]), ticks: column.steps };
  }
  const scale = scaleLinear(column.extent, range);
  return { scale, at: (row) => scale(column.number(row)), ticks: ticksOf(column, scale, false) };
}

// At first: what was varied, the two columns of the scatter plot, and mfu where there is room.
function firstChoice(model) {
  const settings = model.columns.filter((column) => column.setting && column.steps).slice(0, 6);
  const figures = model.columns.filter((column) => column === model.x || column === model.y || column.name === 'mfu');
  return new Set([...settings, ...figures]);
}

export class StudyParallel {
  constructor(place, model) {
    this.model = model;
    this.place = place;
    this.chosen = firstChoice(model);
    const choices = select(place).append('details').attr('class', 'choices').node();
    select(choices).append('summary').text('axes');
    for (const column of model.columns.filter((each) => !each.own)) {
      choices.append(tick(column.label, this.chosen.has(column), (on) => {
        if (on) this.chosen.add(column);
        else this.chosen.delete(column);
        this.draw();
      }));
    }
    this.layers = layers(place, 'parallel coordinates of the points; the filters of the table do what brushing does');
    const { svg } = this.layers;
    svg.removeAttribute('tabindex');
    svg.addEventListener('pointermove', (event) => this.hover(event));
    svg.addEventListener('pointerleave', hideTooltip);
    svg.addEventListener('click', (event) => {
      const row = this.nearest(event);
      if (row >= 0) model.select(row);
    });
    model.subscribe((what) => {
      if (what === 'selected') this.mark();
      else if (what === 'colour' || this.brushing === undefined) this.draw();
      else this.drawLines();
    });
  }

  draw() {
    const axes = this.model.columns.filter((column) => this.chosen.has(column));
    this.width = Math.max(320, this.place.clientWidth);
    const across = scalePoint(axes.keys(), [70, this.width - 40]).padding(0.15);
    this.axes = axes.map((column, index) => ({ column, x: across(index), ...scaleOf(column) }));
    const svg = select(this.layers.svg).html('');
    this.marker = svg.append('path').attr('class', 'selected');
    this.axes.forEach((axis, index) => this.drawAxis(svg, axis, index));
    this.drawLines();
  }

  drawAxis(svg, axis, index) {
    const { column } = axis;
    const text = (value) => {
      const label = column.tick(value);
      return label.length > 16 ? `${label.slice(0, 15)}\u2026` : label;
    };
    const group = svg.append('g').attr('transform', `translate(${axis.x},0)`).attr('class', 'axis');
    group.call(axisLeft(axis.scale).tickValues(axis.ticks).tickFormat(text).tickSizeInner(4).tickSizeOuter(0));
    group.append('line').attr('class', 'grid').attr('y1', kTop).attr('y2', kHeight - kBottom);
    group.append('text').attr('class', 'name').attr('y', index % 2 ? 20 : 10).attr('text-anchor', 'middle').text(column.label)
      .append('title').text(column.name);
    const brush = brushY().extent([[-12, kTop - 4], [12, kHeight - kBottom + 4]])
      .on('brush end', (event) => { if (event.sourceEvent) this.brushed(axis, event.selection); });
    group.append('g').attr('class', 'brush').call(brush);
  }

  // The range of pixels as a filter.
  brushed(axis, selection) {
    const { column, scale } = axis;
    this.brushing = column;
    if (!selection) {
      this.model.filter(column, '');
    } else if (column.steps) {
      const within = column.steps.filter((value) => scale(value) >= selection[0] && scale(value) <= selection[1]);
      const text = within.length > 0 ? within.join(', ') : '=nothing';
      this.model.filter(column, column.numeric ? (within.length > 0 ? text : '1..0') : text.replace(/(^|, )(?==?)/g, '$1='));
    } else {
      const [high, low] = selection.map((pixel) => significant(scale.invert(pixel), 6));
      this.model.filter(column, `${low}..${high}`);
    }
    this.brushing = undefined;
  }

  drawLines() {
    const { model } = this;
    const context = resized(this.layers, this.width, kHeight);
    const { bubble, rule } = palette();
    if (model.shown.length < model.count) {
      const shown = new Set(model.shown);
      const stride = Math.max(1, Math.floor(model.count / kMostBehind));
      context.globalAlpha = 0.5;
      for (let row = 0; row < model.count; row += stride) if (!shown.has(row)) this.line(context, row, rule, 0.6);
    }
    const colourOf = colouring(model);
    context.globalAlpha = Math.max(0.06, Math.min(0.8, 60 / Math.sqrt(model.shown.length * 30 + 1)));
    for (const fitting of [false, true]) {
      for (const row of model.shown) {
        if (model.fits(row) === fitting) this.line(context, row, fitting ? colourOf(row) : bubble, 1.1);
      }
    }
    this.mark();
  }

  line(context, row, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    let open = false;
    for (const axis of this.axes) {
      const y = axis.at(row);
      if (!Number.isFinite(y)) open = false;
      else if (open) context.lineTo(axis.x, y);
      else context.moveTo(axis.x, y);
      open = Number.isFinite(y);
    }
    context.stroke();
  }

  mark() {
    const points = (this.axes ?? []).map((axis) => [axis.x, axis.at(this.model.selected)]).filter(([, y]) => Number.isFinite(y));
    this.marker?.attr('d', points.length > 1 ? `M${points.map((point) => point.join(',')).join('L')}` : null);
  }

  nearest(event) {
    const [px, py] = pointerIn(this.layers.svg, event, this.width);
    const right = this.axes.findIndex((axis) => axis.x >= px);
    if (right <= 0) return -1;
    const [a, b] = [this.axes[right - 1], this.axes[right]];
    const share = (px - a.x) / (b.x - a.x);
    let best = -1;
    let least = kReach;
    for (const row of this.model.shown) {
      const distance = Math.abs(a.at(row) + share * (b.at(row) - a.at(row)) - py);
      if (distance < least) [best, least] = [row, distance];
    }
    return best;
  }

  hover(event) {
    const row = event.buttons ? -1 : this.nearest(event);
    if (row < 0) return hideTooltip();
    showTooltip(event, brief(this.model, row, [this.model.x, this.model.y]));
  }
}
