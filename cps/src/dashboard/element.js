// Elements made and filled as text: nothing that comes from outside is ever markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes, and children that are elements or text. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Replaces an element's text where it differs: what is read aloud is read once. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A number with its thousands apart; "–" for one that is not known. */
export function count(number) {
  if (number === null || number === undefined) return "–";
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A rate to three digits. */
export function rate(perSecond) {
  if (perSecond === null || perSecond === undefined) return "–";
  if (perSecond >= 100) return count(Math.round(perSecond));
  return String(Number(perSecond.toPrecision(2)));
}

/** A time in seconds since 1970 as "2026-11-28 07:36:05", to the minute if asked. */
export function moment(seconds, toTheMinute = false) {
  const iso = new Date(seconds * 1000).toISOString();
  return iso.slice(0, toTheMinute ? 16 : 19).replace("T", " ");
}

/** A span of seconds in its two largest units. */
export function span(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) return "0 s";
  let left = seconds;
  const parts = units.slice(first, first + 2).map(([unit, length]) => {
    const many = Math.floor(left / length);
    left -= many * length;
    return many > 0 ? `${many} ${unit}` : "";
  });
  return parts.filter(Boolean).join(" ");
}
