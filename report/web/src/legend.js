// A legend: a list of coloured squares with names. With `toggled`, each is a button that switches its entry.
import { create } from 'd3-selection';

export function legend(entries, toggled) {
  const list = create('ul').attr('class', 'legend');
  const items = list.selectAll('li').data(entries).join('li');
  const holders = toggled ? items.append('button').attr('type', 'button').attr('aria-pressed', 'true') : items;
  holders.append('span').style('background', (entry) => `var(--${entry.colour})`);
  holders.append((entry) => document.createTextNode(entry.name));
  if (toggled) {
    holders.on('click', function (event, entry) {
      const on = this.getAttribute('aria-pressed') !== 'true';
      this.setAttribute('aria-pressed', on);
      toggled(entry, on);
    });
  }
  return list.node();
}
