// What a page looks like, measured in the browser; `tests/pages.py` calls these functions.

const described = (one) => `${one.outerHTML.slice(0, 80)}`;

/** Return what is wider than the screen, so that the page scrolls sideways, and the texts that leave their box.
 *
 * A phone's `innerWidth` grows with the page, the screen's width does not. What is inside of an element that
 * scrolls or cuts by itself is left out.
 */
function overflowing() {
  const page = document.documentElement.scrollWidth;
  const cut = (one) => one && (getComputedStyle(one).overflowX !== "visible" || cut(one.parentElement));
  const wide = [...document.body.querySelectorAll("*")].filter((one) => one.checkVisibility() && !cut(one));
  const outside = wide.filter((one) => one.getBoundingClientRect().right > screen.width + 1);
  const spilled = wide.filter((one) => one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1);
  return [...(page > screen.width ? [`the page: ${page}`] : []), ...outside.map(described), ...spilled.map(described)];
}

/** Return the visible controls of less than 40 x 40 pixels. */
function smallTargets() {
  const controls = [...document.querySelectorAll("button, select, input, summary, a, [role=tab], tr[tabindex]")];
  return controls
    .filter((one) => one.checkVisibility())
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && box.right > 0 && box.bottom > 0 && (box.width < 40 || box.height < 40))
    .map(([one, box]) => `${described(one)} ${box.width} x ${box.height}`);
}

function parts(color) {
  const found = color.match(/[\d.]+/g).map(Number);
  return found.length < 4 ? [...found, 1] : found;
}

const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);

/** Return the relative luminance of a color, as WCAG 2.2 defines it. */
function luminance(color) {
  const [red, green, blue] = color
    .slice(0, 3)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Return the color behind an element: the backgrounds of all elements around it, over the browser's own. */
function behind(one) {
  const layers = [];
  for (let at = one; at; at = at.parentElement) layers.push(parts(getComputedStyle(at).backgroundColor));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return layers.reduceRight((below, top) => over(top, below), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
}

function contrast(one) {
  const below = behind(one);
  const color = parts(getComputedStyle(one).color);
  for (let at = one; at; at = at.parentElement) color[3] *= Number(getComputedStyle(at).opacity);
  const [low, high] = [luminance(over(color, below)), luminance(below)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** Return the visible texts inside of elements whose contrast is below 4.5 (WCAG 2.2, 1.4.3), and `seen`:
 * the number of texts. Disabled controls are exempt.
 */
function faintTexts(selector) {
  const faint = [];
  let seen = 0;
  const all = [...document.querySelectorAll(selector)].flatMap((root) => [root, ...root.querySelectorAll("*")]);
  for (const one of all) {
    const text = [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text || !one.checkVisibility() || one.disabled) continue;
    seen += 1;
    const ratio = contrast(one);
    if (ratio < 4.5) faint.push(`${one.tagName}.${one.className} ${text.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return [faint, seen];
}
