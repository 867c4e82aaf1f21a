// The table of all points. Only the rows in view are in the page, so that 50,000 points scroll smoothly.
// Headings sort, the fields below them filter; with the keyboard, up, down, page up, page down, home and end
// move the selection.
import { create } from 'd3-selection';

const kRow = 26;
const kSpare = 8; // rows above and below those in view
const kPrinted = 60;
const kSampled = 400; // rows that are measured for the widths

export class StudyTable {
  constructor(place, model) {
    this.model = model;
    this.box = create('div').attr('class', 'points').attr('tabindex', 0).attr('role', 'region')
      .attr('aria-label', 'table of all points; arrow keys move the selection').node();
    this.table = create('table').attr('aria-rowcount', model.count + 1).node();
    this.box.append(this.table);
    place.append(this.box);
    this.build();
    this.box.addEventListener('scroll', () => this.draw());
    this.box.addEventListener('keydown', (event) => this.key(event));
    addEventListener('beforeprint', () => this.draw(kPrinted));
    addEventListener('afterprint', () => this.draw());
    model.subscribe((what) => {
      if (what === 'shown') this.shownChanged();
      if (what === 'selected') this.draw();
    });
    this.draw();
  }

  build() {
    const head = this.table.createTHead();
    const names = head.insertRow();
    const fields = head.insertRow();
    fields.className = 'filters';
    const widths = document.createElement('colgroup');
    this.headings = [];
    this.fields = [];
    for (const column of this.model.columns) {
      const width = document.createElement('col');
      width.style.width = `${this.widthOf(column)}ch`;
      widths.append(width);
      names.append(this.heading(column));
      fields.append(this.field(column));
    }
    this.table.prepend(widths);
    this.body = this.table.createTBody();
  }

  widthOf(column) {
    let longest = Math.max(column.label.length + 2, 7);
    const stride = Math.max(1, Math.floor(this.model.count / kSampled));
    for (let row = 0; row < this.model.count; row += stride) longest = Math.max(longest, column.text(row).length);
    return Math.min(longest, 32) + 3;
  }

  heading(column) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.className = column.numeric ? 'number' : '';
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = column.label;
    button.title = `${column.name}: sort`;
    button.addEventListener('click', () => this.model.sort(column));
    cell.append(button);
    this.headings.push(cell);
    return cell;
  }

  field(column) {
    const cell = document.createElement('td');
    const input = document.createElement('input');
    input.type = 'text';
    input.setAttribute('aria-label', `filter ${column.name}`);
    input.title = column.numeric ? '8   4, 8   >= 8   4..8   < 20 s   > 40 GiB' : 'text   one, other   =exactly   !not';
    input.placeholder = column.numeric ? '4..8' : 'text';
    input.addEventListener('input', () => {
      input.setAttribute('aria-invalid', !this.model.filter(column, input.value));
    });
    input.addEventListener('keydown', (event) => event.stopPropagation());
    cell.append(input);
    this.fields.push(input);
    return cell;
  }

  shownChanged() {
    const { sorting, filters } = this.model;
    this.headings.forEach((cell, index) => {
      const sorted = sorting && sorting.column.index === index;
      if (sorted) cell.setAttribute('aria-sort', sorting.descending ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
      const input = this.fields[index];
      if (document.activeElement !== input) {
        input.value = filters.get(index) ?? '';
        input.removeAttribute('aria-invalid');
      }
    });
    this.box.scrollTop = 0;
    this.draw();
  }

  // Puts the rows in view, or the first `printed`, into the page.
  draw(printed = 0) {
    const { shown } = this.model;
    const height = this.box.clientHeight || 460;
    const first = printed ? 0 : Math.max(0, Math.floor(this.box.scrollTop / kRow) - kSpare);
    const count = printed || Math.ceil(height / kRow) + 2 * kSpare;
    const last = Math.min(shown.length, first + count);
    const rows = [this.spacer(first)];
    for (let i = first; i < last; ++i) rows.push(this.row(shown[i], i));
    if (!printed) rows.push(this.spacer(shown.length - last));
    this.body.replaceChildren(...rows);
  }

  spacer(rows) {
    const row = document.createElement('tr');
    row.className = 'spacer';
    row.setAttribute('aria-hidden', 'true');
    row.style.height = `${rows * kRow}px`;
    row.hidden = rows === 0;
    return row;
  }

  row(index, place) {
    const row = document.createElement('tr');
    row.dataset.row = index;
    row.setAttribute('aria-rowindex', place + 2);
    row.setAttribute('aria-selected', index === this.model.selected);
    if (!this.model.fits(index)) row.className = 'too-large';
    else if (this.model.data.front[index]) row.className = 'on-front';
    for (const column of this.model.columns) {
      const cell = row.insertCell();
      cell.textContent = column.text(index);
      cell.title = column.values[index] ?? '';
      if (column.numeric) cell.className = 'number';
    }
    row.addEventListener('click', () => this.model.select(index));
    return row;
  }

  key(event) {
    const { shown, selected } = this.model;
    const at = shown.indexOf(selected);
    const page = Math.max(1, Math.floor(this.box.clientHeight / kRow) - 3);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey || shown.length === 0) return;
    event.preventDefault();
    const place = Math.min(shown.length - 1, Math.max(0, to));
    const head = this.table.tHead.offsetHeight;
    const [low, high] = [place * kRow, place * kRow + head + kRow];
    if (low < this.box.scrollTop) this.box.scrollTop = low;
    else if (high > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = high - this.box.clientHeight;
    this.model.select(shown[place]);
  }
}
