// Predicted against measured on logarithmic axes, with the diagonal and a band of 10%.
import { extent } from 'd3-array';
import { axisBottom, axisLeft } from 'd3-axis';
import { scaleLog } from 'd3-scale';
import { select } from 'd3-selection';
import { duration, trimmed } from './format.js';
import { legend } from './legend.js';
import { hideTooltip, showTooltip } from './tooltip.js';

const kLeft = 84;
const kBottom = 44;
const kColours = 10;

// Series beyond the tenth repeat the colours with other shapes.
function shape(series, size) {
  const r = size;
  return [
    `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0z`,
    `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
    `M0,${-1.3 * r}L${1.3 * r},${r}H${-1.3 * r}z`,
    `M0,${-1.4 * r}L${1.4 * r},0L0,${1.4 * r}L${-1.4 * r},0z`,
  ][Math.floor(series / kColours) % 4];
}

function logTicks(low, high, most) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); ++power) {
    for (const digit of [1, 2, 5]) all.push(digit * 10 ** power);
  }
  const within = all.filter((value) => value >= low && value <= high);
  return within.length <= most ? within : within.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
}

export function drawScatter(place, chart) {
  const width = Math.min(place.clientWidth, 820);
  const height = Math.min(width * 0.8, 620);
  const [least, greatest] = extent(chart.points.flatMap((point) => [point.x, point.y]));
  const domain = [(least ?? 1) / 1.25, (greatest ?? 1) * 1.25];
  const x = scaleLog(domain, [kLeft, width - 12]);
  const y = scaleLog(domain, [height - kBottom, 8]);
  const hidden = new Set();

  const entries = chart.series.map((name, index) => ({ name, index, colour: `s${index % kColours}` }));
  place.replaceChildren(legend(entries, (entry, on) => {
    if (on) hidden.delete(entry.index);
    else hidden.add(entry.index);
    marks.attr('display', (point) => (hidden.has(point.series) ? 'none' : null));
  }));
  const svg = select(place).append('svg').attr('viewBox', `0 0 ${width} ${height}`)
    .style('max-width', `${width}px`).attr('role', 'img').attr('aria-label', 'predicted against measured step time');
  const ticks = logTicks(...domain, 9);
  svg.append('g').attr('transform', `translate(0,${height - kBottom})`)
    .call(axisBottom(x).tickValues(ticks).tickFormat((value) => trimmed(duration(value))).tickSizeInner(-(height - kBottom - 8)).tickPadding(6));
  svg.append('g').attr('transform', `translate(${kLeft},0)`)
    .call(axisLeft(y).tickValues(ticks).tickFormat((value) => trimmed(duration(value))).tickSizeInner(-(width - kLeft - 12)).tickPadding(6));
  const [low, high] = domain;
  const line = (x1, y1, x2, y2, name) => svg.append('line').attr('class', name)
    .attr('x1', x(x1)).attr('y1', y(y1)).attr('x2', x(x2)).attr('y2', y(y2));
  line(low, low, high, high, 'diagonal');
  line(low, low * 1.1, high / 1.1, high, 'band');
  line(low * 1.1, low, high, high / 1.1, 'band');
  svg.append('text').attr('x', (kLeft + width) / 2).attr('y', height - 6).attr('text-anchor', 'middle').text(chart.x_title);
  svg.append('text').attr('transform', `translate(14,${(height - kBottom) / 2}) rotate(-90)`)
    .attr('text-anchor', 'middle').text(chart.y_title);
  const marks = svg.append('g').selectAll('path').data(chart.points).join('path').attr('class', 'mark')
    .attr('d', (point) => shape(point.series, 4))
    .attr('transform', (point) => `translate(${x(point.x)},${y(point.y)})`)
    .attr('fill', (point) => `var(--s${point.series % kColours})`).attr('fill-opacity', 0.85)
    .on('pointermove', (event, point) => {
      const error = ((point.y / point.x - 1) * 100).toFixed(1);
      showTooltip(event, `${point.label}\npredicted ${duration(point.y)}, measured ${duration(point.x)}\n` +
        `error ${error > 0 ? '+' : ''}${error}%\n${chart.series[point.series]}`);
    })
    .on('pointerleave', hideTooltip);
}
