// Horizontal stacked bars, one per label, with an optional limit across them.
import { max, sum, tickStep } from 'd3-array';
import { axisBottom } from 'd3-axis';
import { scaleBand, scaleLinear } from 'd3-scale';
import { select } from 'd3-selection';
import { bytes, duration, durationTicks, percent, trimmed } from './format.js';
import { legend } from './legend.js';
import { hideTooltip, showTooltip } from './tooltip.js';

const kRow = 26;
const kRight = 84;
const kLongestLabel = 34;

function shortened(text) {
  return text.length > kLongestLabel ? `${text.slice(0, kLongestLabel - 1)}\u2026` : text;
}

// Ticks of bytes are powers of two apart, so that their labels are whole GiB.
function ticksOf(high, unit, count) {
  const step = unit === 'B' ? 2 ** Math.ceil(Math.log2(high / count)) : tickStep(0, high, count);
  const ticks = [];
  for (let i = 0; i * step <= high * (1 + 1e-9); ++i) ticks.push(i * step);
  return { ticks, label: unit === 'B' ? (value) => trimmed(bytes(value)) : durationTicks(high, step) };
}

function segmentsOf(chart) {
  const segments = [];
  chart.labels.forEach((label, row) => {
    const total = sum(chart.series, (series) => series.values[row]);
    let start = 0;
    for (const series of chart.series) {
      const value = series.values[row];
      if (value > 0) segments.push({ row, label, series, start, value, total });
      start += value;
    }
  });
  return segments;
}

export function drawBars(place, chart) {
  const text = chart.unit === 'B' ? bytes : duration;
  const width = place.clientWidth;
  const totals = chart.labels.map((_, row) => sum(chart.series, (series) => series.values[row]));
  const high = Math.max(max(totals) ?? 0, chart.limit?.value ?? 0) || 1;
  const left = 12 + 6.6 * Math.min(kLongestLabel, max(chart.labels, (label) => label.length) ?? 0);
  const top = chart.limit ? 18 : 4;
  const bottom = top + kRow * chart.labels.length;
  const x = scaleLinear([0, high * 1.01], [left, width - kRight]);
  const y = scaleBand(chart.labels.keys(), [top, bottom]).padding(0.24);

  const svg = select(place).html('').append(() => legend(chart.series)).select(function () { return this.parentNode; })
    .append('svg').attr('viewBox', `0 0 ${width} ${bottom + 24}`).attr('role', 'img').attr('aria-label', 'stacked bars');
  const { ticks, label } = ticksOf(high, chart.unit, Math.max(2, Math.min(10, width / 130)));
  svg.append('g').attr('transform', `translate(0,${bottom})`)
    .call(axisBottom(x).tickValues(ticks).tickFormat(label).tickSizeInner(top - bottom).tickSizeOuter(0).tickPadding(6));
  svg.append('g').selectAll('text').data(chart.labels).join('text')
    .attr('x', left - 8).attr('y', (_, row) => y(row) + y.bandwidth() / 2 + 4).attr('text-anchor', 'end')
    .text(shortened).append('title').text((name) => name);
  svg.append('g').selectAll('rect').data(segmentsOf(chart)).join('rect').attr('class', 'mark')
    .attr('x', (s) => x(s.start)).attr('y', (s) => y(s.row)).attr('height', y.bandwidth())
    .attr('width', (s) => Math.max(0, x(s.start + s.value) - x(s.start)))
    .attr('fill', (s) => `var(--${s.series.colour})`)
    .on('pointermove', (event, s) =>
      showTooltip(event, `${s.label}\n${s.series.name}: ${text(s.value)}, ${percent(s.value / s.total)} of ${text(s.total)}`))
    .on('pointerleave', hideTooltip);
  svg.append('g').selectAll('text').data(totals).join('text')
    .attr('x', (total) => x(total) + 6).attr('y', (_, row) => y(row) + y.bandwidth() / 2 + 4).text(text);
  if (chart.limit) drawLimit(svg, chart.limit, x(chart.limit.value), top, bottom, text);
}

function drawLimit(svg, limit, at, top, bottom, text) {
  svg.append('line').attr('class', 'limit').attr('x1', at).attr('x2', at).attr('y1', top - 4).attr('y2', bottom);
  svg.append('text').attr('x', at).attr('y', top - 7).attr('text-anchor', 'end').text(`${limit.name} ${text(limit.value)}`);
}
