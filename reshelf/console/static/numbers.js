// Numbers as people read them: `reshelf/numbers.py` is the same for the report and the terminal, held to the same
// examples by tests.  What is not known is a dash.

const UNKNOWN = "–",
  MINUS = "−";
// Currencies whose unit has no parts, and those whose unit has a thousand, by ISO 4217; all others have a hundred.
const WITHOUT = new Set("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(" "));
const THOUSANDS = new Set("BHD IQD JOD KWD LYD OMR TND".split(" "));
const SYMBOLS = { EUR: "€", GBP: "£", USD: "$" };

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
const formats = new Map();
function formatted(value, digits) {
  if (!formats.has(digits))
    formats.set(digits, new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return formats.get(digits).format(value);
}
// What rounds to zero has no sign.
const prefixed = (sign, text) => (/[1-9]/.test(text) ? `${sign}${text}` : text);
const digitsOf = (value) => {
  const size = Math.abs(value);
  if (size >= 100) return 0;
  if (size >= 10) return 1;
  return size >= 1 || size === 0 ? 2 : 4;
};

export function number(value, digits = 0) {
  if (!known(value)) return UNKNOWN;
  return prefixed(value < 0 ? MINUS : "", formatted(Math.abs(value), digits));
}

// An amount of any size, with as many digits as tell it.
export const quantity = (value) => number(value, digitsOf(value ?? 0));

export const percent = (value, digits = 1) => (known(value) ? `${number(value * 100, digits)}%` : UNKNOWN);

export const signed = (value, form = quantity) =>
  known(value) ? prefixed(value > 0 ? "+" : MINUS, form(Math.abs(value))) : UNKNOWN;

export const gain = (value, digits = 1) => signed(value, (size) => percent(size, digits));

export const between = (low, high, form = gain, join = (from, to) => `${from} to ${to}`) =>
  known(low) && known(high) ? join(form(low), form(high)) : UNKNOWN;

const partsDigits = (currency) => (WITHOUT.has(currency) ? 0 : THOUSANDS.has(currency) ? 3 : 2);

function currencied(minor, currency, digits) {
  if (!known(minor)) return UNKNOWN;
  const text = formatted(Math.abs(minor) / 10 ** partsDigits(currency), digits);
  return prefixed(minor < 0 ? MINUS : "", `${SYMBOLS[currency] ?? `${currency} `}${text}`);
}

// From minor units.
export const money = (minor, currency) => currencied(minor, currency, partsDigits(currency));

// How much of an outcome there is in a page view, or in many: revenue is in minor units.
export function outcome(name, value, currency) {
  if (!name.endsWith("revenue")) return quantity(value);
  const own = partsDigits(currency);
  return currencied(value, currency, Math.max(own, digitsOf((value ?? 0) / 10 ** own)));
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${number(value, at && value < 100 ? 1 : 0)} ${units[at]}`;
}
