// Numbers as people read them; the same texts as report/units.cpp.

// `value` with that many decimals; ties go to the even digit, as in C++.
export function fixed(value, decimals) {
  const scaled = value * 10 ** decimals;
  if (Math.abs(scaled % 1) === 0.5) return (2 * Math.round(scaled / 2) / 10 ** decimals).toFixed(decimals);
  return value.toFixed(decimals);
}

export function grouped(whole) {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function significant(value, digits = 3) {
  if (!Number.isFinite(value)) return 'n/a';
  if (value === 0) return '0';
  const before = Math.floor(Math.log10(Math.abs(value) * (1 + 0.5 * 10 ** -digits))) + 1;
  return fixed(value, Math.min(12, Math.max(0, digits - before)));
}

function withUnit(value, step, units) {
  let index = 0;
  while (index + 1 < units.length && Math.abs(value) >= step * 0.9995) {
    value /= step;
    ++index;
  }
  return `${significant(value)} ${units[index]}`.trimEnd();
}

export function duration(seconds) {
  if (seconds === 0) return '0 s';
  if (Math.abs(seconds) >= 1e4) return `${grouped(Math.round(seconds))} s`;
  return withUnit(seconds * 1e9, 1000, ['ns', '\u00b5s', 'ms', 's']);
}

export function bytes(count) {
  return withUnit(count, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
}

// 183 k, 1.20 M; plain up to 9,999.
export function scaled(value) {
  if (Math.abs(value) >= 1000 && Math.abs(value) < 9999.5) return grouped(Math.round(value));
  return withUnit(value, 1000, ['', 'k', 'M', 'G', 'T', 'P']);
}

// "5.00 s" as "5 s": for the ticks of an axis, which are round numbers.
export function trimmed(numberWithUnit) {
  return numberWithUnit.replace(/(\.\d*?)0+(?= |$)/, '$1').replace(/\.(?= |$)/, '');
}

export function percent(fraction) {
  return `${fixed(fraction * 100, 1)}%`;
}

// Labels of ticks `step` apart: as many decimals as the step needs, one unit for all.
export function durationTicks(largest, step) {
  const units = [[1, 's'], [1e-3, 'ms'], [1e-6, '\u00b5s'], [1e-9, 'ns']];
  const [size, unit] = units.find(([s]) => largest >= s) ?? units[3];
  const decimals = Math.max(0, Math.min(9, -Math.floor(Math.log10(step / size) + 1e-9)));
  return (value) => `${(value / size).toFixed(decimals)} ${unit}`;
}
