// The points of a study by column, which of them are shown, in what order, and which one is selected. The
// pictures and the table subscribe to it: a filter typed into the table and a range brushed in a picture are the
// same filter.
import { ascending, extent } from 'd3-array';
import { bytes, duration, percent, scaled, trimmed } from './format.js';
import { predicateOf } from './study_filters.js';

const kMostSteps = 16; // an axis of so many different values has a step for each

class Column {
  constructor(info) {
    Object.assign(this, info);
  }

  number(row) {
    const value = this.values[row];
    return typeof value === 'number' ? value : NaN;
  }

  // As report/study_summary.cpp prints a cell.
  text(row) { return this.textOf(this.values[row]); }
  textOf(value) {
    if (value === null || value === undefined) return '-';
    if (typeof value === 'string') return value;
    if (this.unit === 's') return this.whole ? String(value) : duration(value);
    if (this.unit === 'B') return bytes(value);
    if (this.unit === '%') return this.whole ? String(value) : percent(value);
    return Number.isInteger(value) && (this.whole || Math.abs(value) < 1e6) ? String(value) : scaled(value);
  }
  tick(value) { return trimmed(this.textOf(value)); }

  // The different values in order, or null where there are too many to have a step each.
  get steps() {
    if (this.known === undefined) {
      const all = [...new Set(this.values)].filter((value) => value !== null).sort(ascending);
      this.known = !this.numeric || all.length <= kMostSteps ? all : null;
    }
    return this.known;
  }
  get extent() {
    this.range ??= this.numeric ? extent(this.values.filter((value) => value !== null)) : [0, 0];
    return this.range;
  }
}

export class Model {
  constructor(data) {
    const own = [
      { name: 'point', label: 'point', unit: '', better: '', numeric: true, whole: true, own: true, values: data.ids },
      { name: 'status', label: 'status', unit: '', better: '', numeric: false, own: true,
        values: data.fits.map((fits) => (fits ? 'ok' : 'does not fit')) },
    ];
    this.columns = [...own, ...data.columns].map((info, index) => new Column({ ...info, index }));
    this.data = data;
    this.count = data.ids.length;
    this.x = this.columns[data.x + own.length];
    this.y = this.columns[data.y + own.length];
    this.colour = null; // a column, or none
    this.filters = new Map(); // column index -> text
    this.sorting = null; // {column, descending}
    this.selected = 0;
    this.listeners = [];
    this.update();
  }

  fits(row) { return this.data.fits[row] === 1; }

  subscribe(listener) { this.listeners.push(listener); }
  tell(what) { for (const listener of this.listeners) listener(what); }

  // Sets the filter of a column; false when the text cannot be understood (the rows then stay as they are).
  filter(column, text) {
    if (predicateOf(text, column) === undefined) return false;
    if (text.trim() === '') this.filters.delete(column.index);
    else this.filters.set(column.index, text);
    this.update();
    this.tell('shown');
    return true;
  }
  clearFilters() {
    this.filters.clear();
    this.update();
    this.tell('shown');
  }

  sort(column) {
    const descending = this.sorting?.column === column && !this.sorting.descending;
    this.sorting = { column, descending };
    this.update();
    this.tell('shown');
  }

  select(row) {
    if (row === this.selected) return;
    this.selected = row;
    this.tell('selected');
  }

  colourBy(column) {
    this.colour = column;
    this.tell('colour');
  }

  // `shown`: the rows that pass every filter, in the order of the table.
  update() {
    const tests = [...this.filters].map(([index, text]) => predicateOf(text, this.columns[index]));
    const rows = [];
    for (let row = 0; row < this.count; ++row) {
      if (tests.every((test) => test(row))) rows.push(row);
    }
    if (this.sorting) {
      const { column, descending } = this.sorting;
      const { values } = column;
      const sign = descending ? -1 : 1;
      rows.sort((a, b) => {
        if (values[a] === values[b]) return a - b;
        if (values[a] === null || values[b] === null) return values[a] === null ? 1 : -1; // empty cells last
        return sign * ascending(values[a], values[b]);
      });
    }
    this.shown = rows;
  }

  // The shown rows that fit and that no other such row beats in both columns; empty where one has no better
  // direction. The same rule as front_of in report/html/study_picture.cpp.
  front(x, y) {
    if (!x.better || !y.better) return [];
    const [signX, signY] = [x, y].map((column) => (column.better === 'less' ? 1 : -1));
    const rows = this.shown.filter((row) => this.fits(row) && !Number.isNaN(x.number(row)) && !Number.isNaN(y.number(row)));
    rows.sort((a, b) => signX * (x.number(a) - x.number(b)) || signY * (y.number(a) - y.number(b)) || a - b);
    const front = [];
    for (const row of rows) {
      const last = front[front.length - 1];
      const alike = last !== undefined && x.number(last) === x.number(row) && y.number(last) === y.number(row);
      if (last === undefined || alike || signY * y.number(row) < signY * y.number(last)) front.push(row);
    }
    return signX < 0 ? front.reverse() : front;
  }
}
