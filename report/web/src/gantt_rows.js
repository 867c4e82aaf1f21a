// The boxes of one row, searchable by time, and how they are painted at any scale.

// Index of the first element of `sorted` above `value`.
function firstAbove(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

export class Row {
  // `row` as in chart_json: boxes = [gap, length, class, micro-batch, ...] in ticks.
  constructor(row, tick, classes) {
    const { boxes } = row;
    const count = boxes.length / 4;
    this.info = row;
    this.start = new Float64Array(count);
    this.end = new Float64Array(count);
    this.kind = new Uint32Array(count);
    this.microBatch = new Int32Array(count);
    this.category = new Uint8Array(count);
    this.busyBefore = new Float64Array(count + 1); // seconds of boxes before this one
    let clock = 0;
    for (let i = 0; i < count; ++i) {
      clock += boxes[4 * i];
      this.start[i] = clock * tick;
      clock += boxes[4 * i + 1];
      this.end[i] = clock * tick;
      this.kind[i] = boxes[4 * i + 2];
      this.microBatch[i] = boxes[4 * i + 3];
      this.category[i] = classes[this.kind[i]].category;
      this.busyBefore[i + 1] = this.busyBefore[i] + this.end[i] - this.start[i];
    }
    row.boxes = null; // decoded: the numbers need not be kept twice
  }

  // The box at `time`, or the nearest within `reach` seconds; -1 if none.
  at(time, reach) {
    const i = firstAbove(this.end, time);
    if (i < this.end.length && this.start[i] <= time + reach) return i;
    return i > 0 && this.end[i - 1] >= time - reach ? i - 1 : -1;
  }

  // Paints the part of the row that `x` (a d3 scale, seconds to pixels) shows between `left` and `right`.
  paint(context, x, left, right, top, height, colours) {
    const from = firstAbove(this.end, x.invert(left));
    const to = firstAbove(this.start, x.invert(right));
    if (to - from > 1.5 * (right - left)) this.paintColumns(context, x, left, right, top, height, colours);
    else this.paintBoxes(context, x, left, right, top, height, colours, from, to);
  }

  paintBoxes(context, x, left, right, top, height, colours, from, to) {
    const paths = new Map();
    for (let i = from; i < to; ++i) {
      const a = Math.max(left, x(this.start[i]));
      const b = Math.min(right, x(this.end[i]));
      if (!paths.has(this.category[i])) paths.set(this.category[i], new Path2D());
      // A hairline between wide boxes, so that neighbours of one colour can be told apart.
      paths.get(this.category[i]).rect(a, top, Math.max(0.9, b - a - (b - a > 4 ? 0.8 : 0)), height);
    }
    for (const [category, path] of paths) {
      context.fillStyle = colours[category];
      context.fill(path);
    }
  }

  // More boxes than pixels: each column of pixels is as opaque as it is busy, in the colour of its longest box
  // among a few. The cost depends on the width of the picture, not on the number of boxes.
  paintColumns(context, x, left, right, top, height, colours) {
    for (let pixel = Math.floor(left); pixel < right; ++pixel) {
      const a = x.invert(pixel);
      const b = x.invert(pixel + 1);
      const from = firstAbove(this.end, a);
      const to = firstAbove(this.start, b);
      if (from >= to) continue;
      let longest = from;
      const stride = Math.max(1, Math.floor((to - from) / 8));
      for (let i = from; i < to; i += stride) {
        if (this.end[i] - this.start[i] > this.end[longest] - this.start[longest]) longest = i;
      }
      const cut = Math.max(0, a - this.start[from]) + Math.max(0, this.end[to - 1] - b);
      const busy = (this.busyBefore[to] - this.busyBefore[from] - cut) / (b - a);
      context.globalAlpha = Math.min(1, Math.max(0.25, busy));
      context.fillStyle = colours[this.category[longest]];
      context.fillRect(pixel, top, 1, height);
    }
    context.globalAlpha = 1;
  }

  // Consecutive boxes of one micro-batch and category: [first box, last box] in turn. Made when first needed.
  get passes() {
    if (this.passEnds) return this.passEnds;
    const ends = [];
    for (let i = 0; i < this.start.length; ++i) {
      const last = ends.length - 1;
      const joins = i > 0 && this.microBatch[i] === this.microBatch[i - 1] && this.category[i] === this.category[i - 1];
      if (joins) ends[last] = i;
      else ends.push(i, i);
    }
    this.passEnds = Uint32Array.from(ends);
    return this.passEnds;
  }

  // Micro-batch numbers, one a pass, where it is wide enough.
  paintNumbers(context, x, left, right, top, height, colours, ink) {
    const { passes } = this;
    const [from, to] = [x.invert(left), x.invert(right)];
    const shortest = x.invert(13) - x.invert(0);
    for (let p = 0; p < passes.length; p += 2) {
      const [first, last] = [passes[p], passes[p + 1]];
      if (this.end[last] < from || this.microBatch[first] < 0) continue;
      if (this.start[first] > to) break;
      if (this.end[last] - this.start[first] < shortest) continue;
      const a = Math.max(left, x(this.start[first]));
      const b = Math.min(right, x(this.end[last]));
      const text = String(this.microBatch[first]);
      const width = 6.6 * text.length + 3;
      if (b - a < width + 2) continue;
      context.fillStyle = colours[this.category[first]]; // the number may stand over a gap
      context.fillRect((a + b - width) / 2, top, width, height);
      context.fillStyle = ink;
      context.fillText(text, (a + b) / 2, top + height / 2 + 0.5);
    }
  }
}
