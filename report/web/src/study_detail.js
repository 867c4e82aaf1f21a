// The selected point: its plan, its figures, the command that simulates it again, and its Gantt chart where the
// page holds it.
import { create, select } from 'd3-selection';
import { Gantt } from './gantt.js';

const kToAList = 11; // figures below each other

export class StudyDetail {
  constructor(place, model) {
    this.model = model;
    this.charts = new Map(); // decoded once each
    this.title = select(place).append('h3').attr('aria-live', 'polite');
    this.lists = select(place).append('div').attr('class', 'columns');
    const command = select(place).append('p').attr('class', 'command');
    command.append('span').text('The whole report of this point: ');
    this.command = command.append('code');
    this.copy = command.append('button').attr('type', 'button').text('copy').on('click', () => this.copyCommand());
    this.holder = select(place).append('div').node();
    model.subscribe((what) => { if (what === 'selected') this.draw(); });
  }

  draw() {
    const { model } = this;
    const row = model.selected;
    const id = model.data.ids[row];
    const words = [`Point ${id}`];
    if (!model.fits(row)) words.push('does not fit');
    else if (model.data.front[row]) words.push(model.data.front.indexOf(1) === model.data.front.lastIndexOf(1) ? 'the best' : 'on the Pareto front');
    this.title.text(words.join(', '));
    this.lists.html('');
    this.list(model.columns.filter((column) => column.setting), row);
    const figures = model.columns.filter((column) => !column.setting && !column.own);
    for (let first = 0; first < figures.length; first += kToAList) this.list(figures.slice(first, first + kToAList), row);
    const out = `${model.data.name.replace(/[^A-Za-z0-9._-]+/g, '-')}-${id}`;
    this.command.text(`${model.data.rerun} ${id} --out out/${out}`);
    this.copy.text('copy');
    this.drawChart(id);
  }

  list(columns, row) {
    const list = this.lists.append('dl').attr('class', 'lines');
    for (const column of columns) {
      list.append('dt').text(column.name);
      list.append('dd').attr('title', column.values[row]).text(column.text(row));
    }
  }

  drawChart(id) {
    const chart = this.model.data.gantts[id];
    if (!chart) {
      const ids = Object.keys(this.model.data.gantts);
      const note = create('p').attr('class', 'note')
        .text(ids.length > 0 ? 'This page holds the Gantt charts of other points: ' : 'The command above draws its Gantt chart.');
      for (const other of ids) {
        note.append('button').attr('type', 'button').text(`point ${other}`)
          .on('click', () => this.model.select(this.model.data.ids.indexOf(Number(other))));
      }
      this.holder.replaceChildren(note.node());
      return;
    }
    if (!this.charts.has(id)) {
      const place = create('div').attr('class', 'chart').node();
      this.holder.replaceChildren(place);
      this.charts.set(id, { place, gantt: new Gantt(place, chart, []) });
      this.charts.get(id).gantt.communication = false; // compact until its button is pressed
    }
    const { place, gantt } = this.charts.get(id);
    this.holder.replaceChildren(place);
    gantt.resize();
  }

  copyCommand() {
    const selection = getSelection();
    selection.selectAllChildren(this.command.node());
    // From a file there may be no clipboard; the text then is selected, ready to be copied.
    const done = navigator.clipboard?.writeText(this.command.text());
    done?.then(() => this.copy.text('copied'), () => {});
  }

  resize() {
    this.charts.get(this.model.data.ids[this.model.selected])?.gantt.resize();
  }
}
