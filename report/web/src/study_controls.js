// Small controls of the study page: choices of columns, and colours of points.
import { scaleLinear } from 'd3-scale';
import { create } from 'd3-selection';

// A labelled <select> of columns; `none` is the text of the entry for no column.
export function columnChoice(label, columns, chosen, changed, none) {
  const holder = create('label').text(`${label} `);
  const select = holder.append('select').on('change', function () {
    changed(columns.find((column) => String(column.index) === this.value) ?? null);
  });
  if (none !== undefined) select.append('option').attr('value', '').text(none);
  for (const column of columns) {
    select.append('option').attr('value', column.index).attr('title', column.name).text(column.label);
  }
  select.property('value', chosen ? chosen.index : '');
  return holder.node();
}

export function tick(label, checked, changed) {
  const holder = create('label');
  holder.append('input').attr('type', 'checkbox').property('checked', checked).on('change', function () {
    changed(this.checked);
  });
  holder.append('span').text(` ${label}`);
  return holder.node();
}

function variable(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// The page's colours now, for canvases.
export function palette() {
  const names = ['ink', 'faint', 'rule', 'page', 'panel', 'accent', 'bubble'];
  return Object.fromEntries(names.map((name) => [name, variable(name)]));
}

// From a row to its colour by the model's colour column.
export function colouring(model) {
  const column = model.colour;
  if (!column) {
    const plain = variable('s0');
    return () => plain;
  }
  if (!column.numeric) {
    const colours = [...Array(10).keys()].map((index) => variable(`s${index}`));
    const place = new Map(column.steps.map((value, index) => [value, index % 10]));
    return (row) => colours[place.get(column.values[row]) ?? 9];
  }
  const ramp = scaleLinear(column.extent, [variable('ramp-low'), variable('ramp-high')]).clamp(true);
  const none = variable('bubble');
  return (row) => (Number.isNaN(column.number(row)) ? none : ramp(column.number(row)));
}

// What the colours mean, as a line of text and squares.
export function colourLegend(model) {
  const list = create('ul').attr('class', 'legend');
  const entry = (colour, text) => {
    const item = list.append('li');
    item.append('span').style('background', `var(--${colour})`);
    item.append(() => document.createTextNode(text));
  };
  const column = model.colour;
  if (column && column.numeric) {
    const item = list.append('li');
    item.append(() => document.createTextNode(`${column.label}: ${column.textOf(column.extent[0])} `));
    item.append('span').attr('class', 'ramp');
    item.append(() => document.createTextNode(column.textOf(column.extent[1])));
  } else if (column) {
    column.steps.slice(0, 24).forEach((value, index) => entry(`s${index % 10}`, value));
  } else {
    entry('s0', 'fits');
  }
  entry('bubble', 'does not fit');
  return list.node();
}

// A canvas for many marks with an SVG picture of the same size above it, for axes and single marks.
export function layers(place, label) {
  const holder = create('div').attr('class', 'layers').node();
  const canvas = document.createElement('canvas');
  holder.append(canvas);
  const svg = create('svg:svg').attr('role', 'img').attr('aria-label', label).attr('tabindex', 0).node();
  holder.append(svg);
  place.append(holder);
  return { holder, canvas, svg };
}

// Sizes both and returns the canvas's context in units of the picture.
export function resized({ canvas, svg }, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.aspectRatio = `${width} / ${height}`;
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

// Where the pointer is, in units of the picture.
export function pointerIn(svg, event, width) {
  const bounds = svg.getBoundingClientRect();
  const scale = width / bounds.width;
  return [(event.clientX - bounds.left) * scale, (event.clientY - bounds.top) * scale];
}
