// What all parts of the page make: elements, tables, times. Text from the server is put in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children.map((child) => child ?? ""));
  return made;
}

export const words = (name) => name.replaceAll("_", " ");
export const status = (name) => element("span", { class: `status ${name}` }, words(name));

const moment = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const distance = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** Return how far a time is from now, such as "3 minutes ago" or "in 2 days". */
export function relative(text) {
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return distance.format(Math.trunc(seconds / size), unit);
}

/** Return an element with a time in the reader's zone; its title says how far it is from now. */
export function time(text) {
  if (!text) return "";
  return element("time", { datetime: text, title: relative(text) }, moment.format(new Date(text)));
}

/** Write the distances from now again: they grow old. */
export function refreshTimes() {
  for (const one of document.querySelectorAll("time")) one.title = relative(one.dateTime);
  for (const one of document.querySelectorAll("[data-from]")) one.textContent = `(${relative(one.dataset.from)})`;
}

export const number = (value) => element("td", { class: "number" }, String(value));
/** Return a cell whose text may be broken anywhere. */
export const long = (text) => element("td", { class: "long" }, text);
export const row = (...cells) => element("tr", {}, ...cells.map((cell) => (cell instanceof HTMLTableCellElement ? cell : element("td", {}, cell))));

/** Fill a table. `heads`: a name and a class for each column; `empty`: what it says without rows.
 *
 * A phone shows each row as a block, where the cells have the names of their columns; the roles keep it a table
 * for assistive technology.
 */
export function table(id, heads, rows, empty) {
  const head = element("tr", { role: "row" }, ...heads.map(([name, kind]) => element("th", { class: kind ?? null, scope: "col", role: "columnheader" }, name)));
  const body = rows.length ? rows : [element("tr", {}, element("td", { colspan: heads.length, class: "empty" }, empty))];
  for (const one of body) {
    one.setAttribute("role", "row");
    [...one.cells].forEach((cell, index) => {
      cell.setAttribute("role", "cell");
      if (rows.length) cell.dataset.head = heads[index][0];
    });
  }
  $(id).setAttribute("role", "table");
  $(id).replaceChildren(element("thead", { role: "rowgroup" }, head), element("tbody", { role: "rowgroup" }, ...body));
}

/** Fill a list of names and values; values that are missing are left out. */
export function facts(id, pairs, empty) {
  const known = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  const made = known.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  $(id).replaceChildren(...(made.length ? made : [element("dd", { class: "empty" }, empty)]));
}
