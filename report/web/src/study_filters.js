// What may be typed above a column of the table of points.
//   numbers: 8 | 4, 8 | >= 8 | < 20 s | 4..8 | 40 GiB..60 GiB | > 45%
//   texts:   zb (holds it) | zb, 1f1b (one of them) | =1f1b (is it) | !gpipe (does not hold it)

const kUnits = {
  s: 1, ms: 1e-3, us: 1e-6, '\u00b5s': 1e-6, ns: 1e-9, min: 60, h: 3600, '%': 0.01,
  B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, PiB: 2 ** 50,
  KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, '': 1,
};

// "1.5 GiB" as a number; NaN if it is none.
export function numberOf(text) {
  const match = /^([-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(\S*)$/i.exec(text.trim());
  if (!match || !(match[2] in kUnits)) return NaN;
  return Number(match[1].replaceAll(',', '')) * kUnits[match[2]];
}

function near(a, b) { return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b)); }

function numberTest(part, column) {
  const range = part.split('..');
  if (range.length === 2) {
    const low = range[0].trim() === '' ? -Infinity : numberOf(range[0]);
    const high = range[1].trim() === '' ? Infinity : numberOf(range[1]);
    if (Number.isNaN(low) || Number.isNaN(high)) return undefined;
    return (value) => (value >= low || near(value, low)) && (value <= high || near(value, high));
  }
  const match = /^(<=|>=|<|>|=|!)?(.*)$/.exec(part);
  const bound = numberOf(match[2]);
  if (Number.isNaN(bound)) return undefined;
  const shown = match[2].trim(); // "19.1 s" is equal to what is printed so
  const equal = (value) => near(value, bound) || column.textOf(value) === shown;
  return {
    '<=': (value) => value <= bound || equal(value),
    '>=': (value) => value >= bound || equal(value),
    '<': (value) => value < bound && !near(value, bound),
    '>': (value) => value > bound && !near(value, bound),
    '!': (value) => !equal(value),
    '=': equal,
  }[match[1] ?? '='];
}

function textTest(part) {
  const text = part.toLowerCase();
  if (text.startsWith('=')) return (value) => value === text.slice(1).trim();
  if (text.startsWith('!')) return (value) => !value.includes(text.slice(1).trim());
  return (value) => value.includes(text);
}

// A test of rows; undefined when the text cannot be understood.
export function predicateOf(text, column) {
  const parts = text.split(column.numeric ? /,(?!\d{3}(?!\d))/ : ',').map((part) => part.trim()).filter((part) => part !== '');
  if (parts.length === 0) return () => true;
  const tests = parts.map((part) => (column.numeric ? numberTest(part, column) : textTest(part)));
  if (tests.includes(undefined)) return undefined;
  if (column.numeric) {
    return (row) => column.values[row] !== null && tests.some((test) => test(column.values[row]));
  }
  return (row) => {
    const value = String(column.values[row] ?? '').toLowerCase();
    return tests.some((test) => test(value));
  };
}
