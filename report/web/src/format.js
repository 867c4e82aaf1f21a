// Numbers as people read them; the same texts as report/units.cpp.

export function significant(value, digits = 3) {
  if (!Number.isFinite(value)) return 'n/a';
  if (value === 0) return '0';
  const before = Math.floor(Math.log10(Math.abs(value) * (1 + 0.5 * 10 ** -digits))) + 1;
  return value.toFixed(Math.min(12, Math.max(0, digits - before)));
}

function withUnit(value, step, units) {
  let index = 0;
  while (index + 1 < units.length && Math.abs(value) >= step * 0.9995) {
    value /= step;
    ++index;
  }
  return `${significant(value)} ${units[index]}`;
}

export function duration(seconds) {
  if (seconds === 0) return '0 s';
  return withUnit(seconds * 1e9, 1000, ['ns', '\u00b5s', 'ms', 's']);
}

export function bytes(count) {
  return withUnit(count, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

// "5.00 s" as "5 s": for the ticks of an axis, which are round numbers.
export function trimmed(numberWithUnit) {
  return numberWithUnit.replace(/(\.\d*?)0+(?= |$)/, '$1').replace(/\.(?= |$)/, '');
}

export function percent(fraction) {
  return `${(fraction * 100).toFixed(1)}%`;
}

// Labels of ticks `step` apart: as many decimals as the step needs, one unit for all.
export function durationTicks(largest, step) {
  const units = [[1, 's'], [1e-3, 'ms'], [1e-6, '\u00b5s'], [1e-9, 'ns']];
  const [size, unit] = units.find(([s]) => largest >= s) ?? units[3];
  const decimals = Math.max(0, Math.min(9, -Math.floor(Math.log10(step / size) + 1e-9)));
  return (value) => `${(value / size).toFixed(decimals)} ${unit}`;
}
