// Days of the shop's calendar.

// The date so many days after the one that clocks of a time zone show at a time; not each of these days has 24 hours.
export function dateAfter(days, timeZone, at = Date.now()) {
  const [year, month, date] = new Date(at).toLocaleDateString("sv-SE", { timeZone }).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, date + days)).toISOString().slice(0, 10);
}
