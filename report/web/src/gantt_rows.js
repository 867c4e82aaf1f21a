// The boxes of one row, searchable by time, and how they are painted at any scale.

// Index of the first element of `sorted` above `value`, between `low` and `high`.
function firstAbove(sorted, value, low = 0, high = sorted.length) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

// One line of pixels, to be stretched over the height of a row.
class PixelLine {
  constructor() {
    this.canvas = document.createElement('canvas');
    this.canvas.height = 1;
  }

  begin(width) {
    this.canvas.width = width;
    this.context = this.canvas.getContext('2d');
    this.image = this.context.createImageData(width, 1);
  }

  // `colour` is "#rrggbb"; `share` its opacity.
  set(pixel, colour, share) {
    const rgb = parseInt(colour.slice(1), 16);
    this.image.data.set([rgb >> 16, (rgb >> 8) & 255, rgb & 255, Math.round(255 * share)], 4 * pixel);
  }

  drawInto(context, left, top, height) {
    this.context.putImageData(this.image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.canvas, left, top, this.canvas.width, height);
  }
}
const line = new PixelLine();

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
    const kNarrow = 2; // pixels, of the boxes on average
    if ((to - from) * kNarrow > right - left) this.paintColumns(context, x, left, right, top, height, colours, from, to);
    else this.paintBoxes(context, x, left, right, top, height, colours, from, to);
  }

  paintBoxes(context, x, left, right, top, height, colours, from, to) {
    let last = -1;
    for (let i = from; i < to; ++i) {
      if (this.category[i] !== last) {
        last = this.category[i];
        context.fillStyle = colours[last];
      }
      const a = Math.max(left, x(this.start[i]));
      const b = Math.min(right, x(this.end[i]));
      // A hairline between wide boxes, so that neighbours of one colour can be told apart.
      context.fillRect(a, top, Math.max(0.9, b - a - (b - a > 4 ? 0.8 : 0)), height);
    }
  }

  // Boxes about as narrow as pixels: each column of pixels is as opaque as it is busy, in the colour of its
  // longest box among a few. The cost depends on the width of the picture, not on the number of boxes.
  paintColumns(context, x, left, right, top, height, colours, from, to) {
    const width = Math.ceil(right - left);
    line.begin(width);
    let first = from;
    for (let pixel = 0; pixel < width; ++pixel) {
      const a = x.invert(left + pixel);
      const b = x.invert(left + pixel + 1);
      first = firstAbove(this.end, a, first, to);
      if (first === to) break;
      if (this.start[first] >= b) continue;
      const last = firstAbove(this.start, b, first, to);
      line.set(pixel, colours[this.category[this.longest(first, last)]], Math.min(1, Math.max(0.25, this.busy(first, last, a, b))));
    }
    line.drawInto(context, left, top, height);
  }

  // The longest of a few boxes spread over first..last-1.
  longest(first, last) {
    const stride = Math.max(1, Math.floor((last - first) / 8));
    let longest = first;
    for (let i = first; i < last; i += stride) {
      if (this.end[i] - this.start[i] > this.end[longest] - this.start[longest]) longest = i;
    }
    return longest;
  }

  // Which share of a..b the boxes first..last-1, all that touch it, cover.
  busy(first, last, a, b) {
    const outside = Math.max(0, a - this.start[first]) + Math.max(0, this.end[last - 1] - b);
    return (this.busyBefore[last] - this.busyBefore[first] - outside) / (b - a);
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
