// The rates of the last hour as lines, and double spends, which are rare, as dots: what
// is drawn can be chosen, and the value of any moment is told to whoever points at it.
// The browser draws, and not shared/chart, since the chart answers the pointer and is
// drawn anew as numbers arrive. Not here: where the numbers come from.

import { element, rate, say, svg } from "./element.js";

/** Names, and the columns of a span in status.json. */
const SERIES = [["stored", 2], ["polls", 6], ["replayed", 3], ["refused", 4], ["double spends", 5]];
/** Drawn as dots. */
const RARE = SERIES.length - 1;
/** Ranges: what they are called, their seconds, and the seconds that a point stands for. */
const RANGES = [["10 min", 600, 5], ["1 h", 3600, 30]];
const HEIGHT = 240;
const [LEFT, RIGHT, TOP, BELOW] = [52, 12, 10, 26];

export class Chart {
  #place;
  #values = [];
  #when;
  #shown = SERIES.map(() => true);
  #range = RANGES[1];
  #spans = [];
  #now = 0;
  #pointed = null;
  #points = [];

  constructor({ chart, legend, ranges }) {
    this.#place = chart;
    this.#makeLegend(legend);
    this.#makeRanges(ranges);
    new ResizeObserver(() => this.#draw()).observe(chart);
    chart.addEventListener("pointermove", (event) => this.#point(event));
    chart.addEventListener("pointerleave", () => {
      this.#pointed = null;
      this.#draw();
    });
  }

  /** Draws spans of status.json, which was made at `now`. */
  show(spans, now) {
    [this.#spans, this.#now] = [spans, now];
    this.#draw();
  }

  #makeLegend(legend) {
    SERIES.forEach(([name], number) => {
      const value = element("b", {}, "–");
      const attributes = { type: "button", class: `key${number}`, "aria-pressed": "true" };
      const button = element("button", attributes, name, " ", value);
      button.addEventListener("click", () => {
        this.#shown[number] = !this.#shown[number];
        button.setAttribute("aria-pressed", String(this.#shown[number]));
        this.#draw();
      });
      this.#values.push(value);
      legend.append(button);
    });
    this.#when = element("span", { class: "dim" });
    legend.append(this.#when);
  }

  #makeRanges(ranges) {
    const buttons = RANGES.map((range) => {
      const button = element("button", { type: "button" }, range[0]);
      button.addEventListener("click", () => {
        this.#range = range;
        press();
        this.#draw();
      });
      return button;
    });
    const press = () => buttons.forEach((button, number) => {
      button.setAttribute("aria-pressed", String(RANGES[number] === this.#range));
    });
    press();
    ranges.append(...buttons);
  }

  /** Spans gathered into points: each with its end, and a rate for each series. */
  #gathered() {
    const [, seconds, step] = this.#range;
    const points = new Map();
    for (const span of this.#spans) {
      const [ended, length] = span;
      if (ended <= this.#now - seconds) continue;
      const end = Math.ceil(ended / step) * step;
      const point = points.get(end) ?? { end, length: 0, sums: SERIES.map(() => 0) };
      point.length += length;
      SERIES.forEach(([, column], number) => (point.sums[number] += span[column]));
      points.set(end, point);
    }
    return [...points.values()].map(({ end, length, sums }) => {
      return { end, rates: sums.map((sum) => sum / Math.max(length, 1)) };
    });
  }

  #draw() {
    this.#points = this.#gathered();
    this.#tell();
    const width = this.#place.clientWidth;
    if (width < 100) return;
    if (this.#points.length === 0) {
      this.#place.replaceChildren(element("p", { class: "none" }, "The first rates come within five seconds."));
      return;
    }
    const drawn = this.#points.flatMap(({ rates }) => rates.filter((_, number) => this.#shown[number]));
    const scale = { width, top: roundedUp(Math.max(...drawn, 0)) };
    const [range] = this.#range;
    const label = `Rates of the last ${range}. ${this.#inWords()}`;
    const picture = svg("svg", { role: "img", viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-label": label });
    picture.append(...this.#grid(scale), ...this.#lines(scale), ...this.#dots(scale), ...this.#pointer(scale));
    this.#place.replaceChildren(picture);
  }

  #grid({ width, top }) {
    const drawn = [];
    for (let line = 0; line <= 4; line++) {
      const [value, y] = [(top / 4) * line, height((top / 4) * line, top)];
      drawn.push(
        svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }),
        svg("text", { class: "axis", x: LEFT - 8, y: y + 4, "text-anchor": "end" }, rate(value)),
      );
    }
    const [, seconds] = this.#range;
    const steps = [60, 120, 300, 600, 900, 1800];
    const step = steps.find((step) => (seconds / step) * 64 <= width - LEFT) ?? seconds;
    const first = Math.ceil((this.#now - seconds) / step) * step;
    for (let time = first; time <= this.#now; time += step) {
      const x = this.#x(time, width);
      if (x < LEFT + 16 || x > width - RIGHT - 16) continue;
      drawn.push(
        svg("line", { class: "grid", x1: x, x2: x, y1: HEIGHT - BELOW, y2: HEIGHT - BELOW + 4 }),
        svg("text", { class: "axis", x, y: HEIGHT - 6, "text-anchor": "middle" }, clock(time).slice(0, 5)),
      );
    }
    return drawn;
  }

  #lines({ width, top }) {
    const [, , step] = this.#range;
    const lines = SERIES.map((_, number) => {
      if (!this.#shown[number] || number === RARE) return null;
      let [path, before] = ["", null];
      for (const { end, rates } of this.#points) {
        const joined = before !== null && end - before <= step * 2;
        const [x, y] = [this.#x(end - step / 2, width), height(rates[number], top)];
        path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
        before = end;
      }
      // A lone point is a dot.
      if (this.#points.length === 1) path += "h0.1";
      return svg("path", { class: `line${number}`, d: path });
    });
    return lines.filter(Boolean);
  }

  #dots({ width, top }) {
    if (!this.#shown[RARE]) return [];
    const points = this.#points.filter(({ rates }) => rates[RARE] > 0);
    return points.map((point) => this.#dot(point, RARE, { width, top }));
  }

  #dot({ end, rates }, number, { width, top }) {
    const [x, y] = [this.#x(end - this.#range[2] / 2, width), height(rates[number], top)];
    return svg("circle", { class: `dot${number}`, cx: x, cy: y, r: number === RARE ? 4.5 : 3.5 });
  }

  #pointer({ width, top }) {
    const point = this.#pointedAt();
    if (this.#pointed === null || point === undefined) return [];
    const x = this.#x(point.end - this.#range[2] / 2, width);
    const line = svg("line", { class: "pointer", x1: x, x2: x, y1: TOP, y2: HEIGHT - BELOW });
    const shown = [...SERIES.keys()].filter((number) => this.#shown[number]);
    return [line, ...shown.map((number) => this.#dot(point, number, { width, top }))];
  }

  #point(event) {
    const box = this.#place.getBoundingClientRect();
    this.#pointed = event.clientX - box.left;
    this.#draw();
  }

  /** The point nearest to the pointer; the last one if there is no pointer. */
  #pointedAt() {
    if (this.#pointed === null) return this.#points.at(-1);
    const width = this.#place.clientWidth;
    const far = ({ end }) => Math.abs(this.#x(end - this.#range[2] / 2, width) - this.#pointed);
    return this.#points.reduce((best, point) => (far(point) < far(best) ? point : best), this.#points[0]);
  }

  #tell() {
    const point = this.#pointedAt();
    this.#values.forEach((value, number) => say(value, rate(point?.rates[number])));
    const from = point && clock(point.end - this.#range[2]);
    say(this.#when, point ? `${from} to ${clock(point.end)}` : "");
  }

  #inWords() {
    const rates = this.#points.at(-1)?.rates ?? [];
    return SERIES.map(([name], number) => `${name} ${rate(rates[number])}`).join(", ") + " per second.";
  }

  #x(time, width) {
    const [, seconds] = this.#range;
    const part = (time - (this.#now - seconds)) / seconds;
    return LEFT + (width - LEFT - RIGHT) * Math.min(Math.max(part, 0), 1);
  }
}

function height(value, top) {
  return TOP + (HEIGHT - TOP - BELOW) * (1 - value / top);
}

function clock(time) {
  return new Date(time * 1000).toISOString().slice(11, 19);
}

/** The top of the axis: a number whose quarters are round, too. */
function roundedUp(highest) {
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(highest, 0.04)));
  return [1, 2, 4, 8, 10].map((step) => step * magnitude).find((top) => top >= highest * 0.999);
}
