// The Gantt chart of a step on a canvas: one row a stream. Wheel zooms, dragging pans, hovering tells the task;
// with the keyboard: left and right pan, + and - zoom, 0 or Home shows the whole step. Charts of one page (a
// comparison) move together.
import { tickStep } from 'd3-array';
import { scaleLinear } from 'd3-scale';
import { select } from 'd3-selection';
import { zoom, zoomIdentity } from 'd3-zoom';
import { bytes, duration, durationTicks } from './format.js';
import { Row } from './gantt_rows.js';
import { legend } from './legend.js';
import { hideTooltip, showTooltip } from './tooltip.js';

const kLeft = 128; // labels
const kRight = 12;
const kAxis = 22;
const kHighest = 860; // of all rows; above it they shrink
const kMostZoom = 1e7;

export class Gantt {
  constructor(place, chart, peers) {
    this.place = place;
    this.chart = chart;
    this.peers = peers;
    this.rows = chart.rows.map((row) => new Row(row, chart.tick_s, chart.classes));
    this.communication = true;
    this.transform = zoomIdentity;
    this.build();
  }

  build() {
    const used = new Set(this.chart.classes.map((kind) => kind.category));
    const bar = select(this.place).classed('gantt', true).append('div').attr('class', 'bar');
    bar.append(() => legend(this.chart.categories.filter((_, index) => used.has(index))));
    const buttons = bar.append('div').attr('class', 'buttons');
    const button = (text, title, action) =>
      buttons.append('button').attr('type', 'button').attr('title', title).text(text).on('click', action);
    buttons.append('span').text('wheel: zoom, drag: pan');
    button('\u2212', 'zoom out (-)', () => this.zoomBy(1 / 1.6));
    button('+', 'zoom in (+)', () => this.zoomBy(1.6));
    button('whole step', 'show the whole step (0)', () => this.showAll());
    if (this.rows.some((row) => !row.info.compute)) {
      button('communication', 'show or hide the communication streams', () => {
        this.communication = !this.communication;
        this.resize();
      });
    }
    this.canvas = select(this.place).append('canvas').attr('tabindex', 0).attr('role', 'img')
      .attr('aria-label', `Gantt chart of the step, ${duration(this.chart.makespan_s)}; arrow keys pan, plus and minus zoom`);
    this.zoom = zoom().on('zoom', (event) => this.moved(event.transform));
    this.canvas.call(this.zoom)
      .on('dblclick.zoom', () => this.showAll())
      .on('pointermove.tip', (event) => this.hover(event))
      .on('pointerleave.tip', hideTooltip)
      .on('keydown', (event) => this.key(event));
  }

  // Heights and places of the rows that are shown.
  layout() {
    this.shown = this.rows.filter((row) => this.communication || row.info.compute);
    const groups = new Set(this.shown.map((row) => row.info.device)).size;
    const natural = this.shown.reduce((total, row) => total + (row.info.compute ? 24 : 12), 0) + 7 * groups;
    const scale = Math.min(1, kHighest / natural);
    let top = 2;
    this.places = this.shown.map((row, index) => {
      if (index > 0 && row.info.device !== this.shown[index - 1].info.device) top += 7 * scale;
      const place = { top, height: Math.max(2, (row.info.compute ? 22 : 10) * scale) };
      top += place.height + 2 * scale;
      return place;
    });
    this.height = Math.ceil(top + kAxis);
  }

  resize() {
    this.layout();
    const width = Math.max(300, this.place.clientWidth);
    const first = this.base ? this.transform.rescaleX(this.base).invert(kLeft) : 0;
    this.width = width;
    this.base = scaleLinear([0, this.chart.axis_s], [kLeft, width - kRight]);
    const k = this.transform.k;
    this.transform = zoomIdentity.translate(kLeft - k * this.base(first), 0).scale(k);
    const area = [[kLeft, 0], [width - kRight, this.height]];
    this.zoom.extent(area).translateExtent(area).scaleExtent([1, kMostZoom]);
    const canvas = this.canvas.node();
    canvas.__zoom = this.transform;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(this.height * ratio);
    canvas.style.aspectRatio = `${width} / ${this.height}`;
    this.ratio = ratio;
    this.draw();
  }

  moved(transform) {
    hideTooltip();
    for (const peer of this.peers.length ? this.peers : [this]) {
      peer.transform = transform;
      peer.canvas.node().__zoom = transform;
      peer.drawSoon();
    }
  }

  zoomBy(factor) { this.zoom.scaleBy(this.canvas, factor); }
  showAll() { this.zoom.transform(this.canvas, zoomIdentity); }

  key(event) {
    const step = (this.width - kLeft) / 8 / this.transform.k;
    const actions = {
      ArrowLeft: () => this.zoom.translateBy(this.canvas, step, 0),
      ArrowRight: () => this.zoom.translateBy(this.canvas, -step, 0),
      '+': () => this.zoomBy(1.6),
      '=': () => this.zoomBy(1.6),
      '-': () => this.zoomBy(1 / 1.6),
      0: () => this.showAll(),
      Home: () => this.showAll(),
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    actions[event.key]();
  }

  drawSoon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const colours = this.chart.categories.map((category) => colour(category.colour));
    const x = this.transform.rescaleX(this.base);
    const context = this.canvas.node().getContext('2d');
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this.drawAxis(context, x, colour);
    const right = this.width - kRight;
    context.textBaseline = 'middle';
    this.shown.forEach((row, index) => {
      const { top, height } = this.places[index];
      if (row.info.compute) {
        context.fillStyle = colour('panel');
        context.fillRect(kLeft, top, right - kLeft, height);
      }
      row.paint(context, x, kLeft, right, top, height, colours);
      if (!row.info.compute || height < 11) return;
      context.font = '11px system-ui, sans-serif';
      context.textAlign = 'center';
      row.paintNumbers(context, x, kLeft, right, top, height, colours, colour('in-box'));
    });
    this.drawLabels(context, colour);
  }

  drawLabels(context, colour) {
    context.textAlign = 'right';
    let free = -Infinity; // labels below each other do not overlap
    this.shown.forEach((row, index) => {
      const { top, height } = this.places[index];
      const { info } = row;
      const size = info.compute ? 12 : 9.5;
      const middle = top + height / 2;
      if (middle - size / 2 < free) return;
      context.font = `${size}px system-ui, sans-serif`;
      context.fillStyle = colour(info.compute ? 'ink' : 'faint');
      context.fillText(info.compute ? `stage ${info.pipeline_device}, rank ${info.device}` : info.stream, kLeft - 8, middle + 0.5);
      free = middle + size / 2;
    });
  }

  drawAxis(context, x, colour) {
    const [low, high] = [x.invert(kLeft), x.invert(this.width - kRight)];
    const count = Math.max(2, (this.width - kLeft) / 120);
    const label = durationTicks(high, tickStep(low, high, count));
    const bottom = this.height - kAxis + 2;
    context.font = '11.5px system-ui, sans-serif';
    context.textBaseline = 'alphabetic';
    for (const tick of x.ticks(count)) {
      const at = x(tick);
      context.fillStyle = colour('rule');
      context.fillRect(at - 0.5, 0, 1, bottom);
      context.fillStyle = colour('faint');
      const text = label(tick);
      const half = context.measureText(text).width / 2;
      context.textAlign = 'left';
      context.fillText(text, Math.min(at - half, this.width - 2 * half - 1), this.height - 6);
    }
  }

  hover(event) {
    const bounds = this.canvas.node().getBoundingClientRect();
    const scale = this.width / bounds.width;
    const [px, py] = [(event.clientX - bounds.left) * scale, (event.clientY - bounds.top) * scale];
    const index = this.places.findIndex(({ top, height }) => py >= top - 1 && py <= top + height + 1);
    if (index < 0 || px < kLeft || event.buttons) return hideTooltip();
    const row = this.shown[index];
    const x = this.transform.rescaleX(this.base);
    const box = row.at(x.invert(px), x.invert(2) - x.invert(0));
    if (box < 0) return hideTooltip();
    showTooltip(event, this.describe(row, box));
  }

  describe(row, box) {
    const kind = this.chart.classes[row.kind[box]];
    const lines = [kind.name, `stage ${row.info.pipeline_device}, rank ${row.info.device}, stream ${row.info.stream}`];
    const facts = [kind.phase];
    if (row.microBatch[box] >= 0) facts.push(`micro-batch ${row.microBatch[box]}`);
    if (kind.layer >= 0) facts.push(`layer ${kind.layer}`);
    if (kind.chunk > 0) facts.push(`chunk ${kind.chunk}`);
    if (kind.slice > 0) facts.push(`slice ${kind.slice}`);
    lines.push(facts.join(', '));
    lines.push(`${duration(row.end[box] - row.start[box])} from ${duration(row.start[box])}`);
    if (kind.bytes > 0) lines.push(bytes(kind.bytes));
    return lines.join('\n');
  }
}
