// How many errors lie in each bin; the exact value is marked.
import { max } from 'd3-array';
import { axisBottom, axisLeft } from 'd3-axis';
import { scaleLinear } from 'd3-scale';
import { select } from 'd3-selection';
import { hideTooltip, showTooltip } from './tooltip.js';

const kLeft = 48;
const kTop = 8;
const kHeight = 250;
const kBottom = 44;

function signedPercent(fraction) {
  const rounded = Math.round(fraction * 1000) / 10;
  return `${rounded > 0 ? '+' : ''}${rounded}%`;
}

export function drawHistogram(place, chart) {
  const width = Math.min(place.clientWidth, 1000);
  const x = scaleLinear([chart.edges[0], chart.edges[chart.edges.length - 1]], [kLeft, width - 16]);
  const y = scaleLinear([0, max(chart.counts)], [kHeight - kBottom, kTop]);
  place.replaceChildren();
  const svg = select(place).append('svg').attr('viewBox', `0 0 ${width} ${kHeight}`)
    .style('max-width', `${width}px`).attr('role', 'img').attr('aria-label', 'histogram');
  const every = Math.ceil(chart.edges.length / (width / 64));
  svg.append('g').attr('transform', `translate(0,${kHeight - kBottom})`)
    .call(axisBottom(x).tickValues(chart.edges.filter((_, i) => i % every === 0)).tickFormat(signedPercent).tickSize(4));
  svg.append('g').attr('transform', `translate(${kLeft},0)`)
    .call(axisLeft(y).tickValues(y.ticks(5).filter(Number.isInteger)).tickFormat(String).tickSizeInner(-(width - kLeft - 16)).tickPadding(6));
  svg.append('g').selectAll('rect').data(chart.counts).join('rect').attr('class', 'mark').attr('fill', 'var(--s0)')
    .attr('x', (_, i) => x(chart.edges[i]) + 0.5).attr('width', (_, i) => Math.max(0.5, x(chart.edges[i + 1]) - x(chart.edges[i]) - 1))
    .attr('y', (count) => y(count)).attr('height', (count) => kHeight - kBottom - y(count))
    .on('pointermove', (event, count) => {
      const i = svg.selectAll('rect').nodes().indexOf(event.currentTarget);
      showTooltip(event, `${signedPercent(chart.edges[i])} to ${signedPercent(chart.edges[i + 1])}: ${count} ${count === 1 ? 'run' : 'runs'}`);
    })
    .on('pointerleave', hideTooltip);
  svg.append('line').attr('class', 'diagonal').attr('x1', x(0)).attr('x2', x(0)).attr('y1', kTop - 4).attr('y2', kHeight - kBottom);
  svg.append('text').attr('x', (kLeft + width) / 2).attr('y', kHeight - 6).attr('text-anchor', 'middle').text(chart.x_title);
}
