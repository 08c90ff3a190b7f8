// Asks the service every two seconds how it is, and shows that. When the service is
// away the page says so and goes on asking.

import { Chart } from "./chart.js";
import { DoubleSpends } from "./double-spends.js";
import { count, element, moment, say, span } from "./element.js";

const EVERY = 2000;
/** The longest that an answer may take. */
const PATIENCE = 10000;

const TOTALS = [
  ["stored", "stored", "one token for each"],
  ["polls", "polls", "mailboxes asked for"],
  ["replayed", "replayed", "the same sent again"],
  ["refused", "refused", "for whatever reason"],
  ["double_spends", "double spends", "entered into the log"],
];
const TYPES = new Map([[1, "VOPRF P-384"], [2, "blind RSA"], [5, "VOPRF ristretto255"]]);
const STATES = { live: ["sound", "taken"], announced: ["open", "announced"], "not-taken": ["partly", "not taken"] };

const at = (id) => document.getElementById(id);
const chart = new Chart({ chart: at("chart"), legend: at("legend"), ranges: at("ranges") });
const spends = new DoubleSpends({ list: at("spends"), none: at("no-spends"), older: at("older"), checking: at("checking") });
let away = null;

async function refresh() {
  try {
    const answer = await fetch("status.json", { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const status = await answer.json();
    show(status);
    away = null;
    spends.refresh(status.log).catch((error) => spends.sayFailed(error));
  } catch {
    away ??= new Date();
    const since = away.toISOString().slice(11, 19);
    sayState("wrong", `not answering since ${since}; still asking`);
    document.body.classList.add("away");
  }
  setTimeout(refresh, EVERY);
}

function show(status) {
  document.body.classList.remove("away");
  document.title = `${status.name} – CPS`;
  say(at("name"), status.name);
  say(at("period"), `version ${status.version}, up ${span(status.now - status.started)}, since ${moment(status.started, true)} UTC`);
  const ready = status.lacking.length === 0;
  sayState(ready ? "sound" : "wrong", ready ? "ready" : "not ready");
  showLacking(status.lacking);
  showTotals(status.totals);
  chart.show(status.spans, status.now);
  showEpochs(status.epochs);
  showRefusals(status.refusals);
  showLog(status.log);
}

function sayState(style, text) {
  at("state").className = `state ${style}`;
  say(at("state"), text);
}

function showLacking(lacking) {
  at("lacking").hidden = lacking.length === 0;
  onlyIfNew(at("lacking"), lacking, () => lacking.map(({ part, reason }) => {
    return element("li", {}, element("b", {}, part), `: ${reason}`);
  }));
}

function showTotals(totals) {
  if (at("totals").childElementCount === 0) {
    at("totals").append(...TOTALS.map(([member, name, meaning]) => {
      return element("div", { class: member },
        element("dt", {}, name), element("dd", { id: `total-${member}` }), element("dd", { class: "dim" }, meaning));
    }));
  }
  for (const [member] of TOTALS) say(at(`total-${member}`), count(totals[member]));
  at("totals").classList.toggle("caught", totals.double_spends > 0);
}

function showEpochs(epochs) {
  at("no-epochs").hidden = epochs.length > 0;
  onlyIfNew(at("epochs"), epochs, () => epochs.map((epoch) => {
    const [style, state] = STATES[epoch.state];
    const id = element("code", { title: epoch.token_key_id }, epoch.token_key_id.slice(0, 12));
    const cells = [id, epoch.issuer, TYPES.get(epoch.token_type) ?? String(epoch.token_type), moment(epoch.not_before, true)];
    const numbers = [epoch.spent, epoch.replayed, epoch.refused, epoch.further_double_spends];
    return element("tr", { "data-key": epoch.token_key_id },
      ...cells.map((cell) => element("td", {}, cell)),
      element("td", { class: style }, state),
      ...numbers.map((number) => element("td", { class: "number" }, count(number))));
  }));
}

function showRefusals(refusals) {
  at("no-refusals").hidden = refusals.length > 0;
  const most = Math.max(1, ...refusals.map((one) => one.count));
  onlyIfNew(at("refusals"), refusals, () => refusals.map((one) => {
    const bar = element("span", { class: "bar" });
    bar.style.width = `${Math.max((one.count / most) * 100, 1)}%`;
    return element("tr", {},
      element("td", {}, one.title, element("span", { class: "track", "aria-hidden": "true" }, bar)),
      element("td", { class: "number" }, count(one.count)));
  }));
}

function showLog(log) {
  const facts = log === null
    ? [["kept by", "another node of this CPS"]]
    : [
      ["origin", element("code", {}, log.origin)],
      ["verifier key", element("code", {}, log.key)],
      ["checkpoint", `${count(log.size)} ${log.size === 1 ? "entry" : "entries"}, ${log.cosignatures} cosignature${log.cosignatures === 1 ? "" : "s"}`],
      ["last entry", log.minute === null ? "none yet" : moment(log.minute, true)],
    ];
  onlyIfNew(at("log"), log, () => facts.flatMap(([name, value]) => {
    return [element("dt", {}, name), element("dd", {}, value)];
  }));
}

const shown = new Map();

/** Makes the children of an element again, if what they show is another thing. */
function onlyIfNew(parent, what, make) {
  const text = JSON.stringify(what);
  if (shown.get(parent) === text) return;
  shown.set(parent, text);
  parent.replaceChildren(...make());
}

refresh();
