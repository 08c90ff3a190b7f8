// The list of double spends: each one is checked here if this browser can, else by the
// server, and says which. Not here: how it is checked, which is check.js.

import { check, inability } from "./check.js";
import { element, moment, say } from "./element.js";
import { isIncluded } from "./inclusion.js";

const BY_BROWSER = "checked in this browser";
const BY_SERVER = "checked by the server";
/** Digits of a key id or digest that tell it from others. */
const SHORT = 12;

export class DoubleSpends {
  #list;
  #none;
  #older;
  #checking;
  /** By their place in the log. */
  #items = new Map();
  #before = null;
  #key = null;
  #origin = null;
  #seen = null;
  #inability = inability();

  constructor({ list, none, older, checking }) {
    [this.#list, this.#none, this.#older, this.#checking] = [list, none, older, checking];
    older.addEventListener("click", () => this.#showOlder());
  }

  /** Shows the last ones, if the log of status.json has grown. */
  async refresh(log) {
    if (log === null) {
      this.#sayNone("The log is kept by another node of this CPS: look at its page.");
      return;
    }
    this.#key = log.key;
    this.#origin = log.origin;
    for (const item of this.#items.values()) if (item.lacksProof) this.#judge(item);
    if (this.#seen === log.size) return;
    const page = await pageBefore(null);
    this.#seen = log.size;
    const known = Math.max(-1, ...this.#items.keys());
    const oldest = page.entries.at(-1)?.index ?? 0;
    // What lies between is not known: begin anew.
    if (this.#items.size > 0 && page.before !== null && oldest > known) {
      this.#items.clear();
      this.#list.replaceChildren();
    }
    if (this.#items.size === 0) this.#before = page.before;
    const fresh = page.entries.filter((entry) => !this.#items.has(entry.index));
    this.#list.prepend(...fresh.map((entry) => this.#add(entry)));
    this.#finish();
  }

  /** Says that they cannot be had now. */
  sayFailed(error) {
    this.#sayNone(`The double spends cannot be listed now: ${error.message}.`);
  }

  async #showOlder() {
    this.#older.disabled = true;
    try {
      const page = await pageBefore(this.#before);
      this.#before = page.before;
      this.#list.append(...page.entries.map((entry) => this.#add(entry)));
    } finally {
      this.#older.disabled = false;
      this.#finish();
    }
  }

  async #finish() {
    this.#older.hidden = this.#before === null;
    if (this.#items.size === 0) {
      this.#sayNone("None: no token was spent twice at this CPS.");
      return;
    }
    this.#none.hidden = true;
    const why = await this.#inability;
    this.#checking.classList.toggle("wrong", why !== null);
    say(this.#checking, why === null
      ? "Each is checked in this browser, with its own cryptography. Which keys are the issuer’s and the log’s is this server’s word."
      : `Checked by the server, whose word you have for it: ${why}.`);
  }

  #sayNone(text) {
    say(this.#none, text);
    this.#none.hidden = false;
  }

  #add(entry) {
    const item = new Item(entry);
    this.#items.set(entry.index, item);
    this.#judge(item);
    return item.row;
  }

  async #judge(item) {
    try {
      const why = await this.#inability;
      if (why === null) {
        item.show(await check(item.entry), BY_BROWSER);
        item.showIncluded(await this.#included(item.entry));
      } else {
        item.show(await verdictOfServer(item.entry.index), BY_SERVER);
      }
    } catch (error) {
      item.fail(error.message);
    }
  }

  async #included(entry) {
    const answer = await fetch(`double-spends/${entry.index}/proof`);
    if (!answer.ok) throw new Error("no proof came from the server");
    const isHere = `${entry.evidence.cps}/log` === this.#origin;
    return isHere && isIncluded(entry, await answer.text(), this.#key);
  }
}

/** One double spend: its line, and what is behind it. */
class Item {
  #badge = element("span", { class: "badge open" }, "checking…");
  #by = element("span", { class: "by" });
  #steps = element("ul", { class: "steps" });
  /** The evidence was checked, and whether it is in the log was not. */
  lacksProof = false;

  constructor(entry) {
    this.entry = entry;
    const { evidence } = entry;
    const title = element("span", { class: "title" }, `Entry ${entry.index}`);
    const when = element("span", { class: "dim" }, `${moment(entry.minute, true)}`);
    const key = element("span", { class: "dim key", title: entry.token_key_id }, "key ", code(entry.token_key_id.slice(0, SHORT)));
    const summary = element("summary", {}, this.#badge, title, when, key, this.#by);
    const requests = element("table", { class: "requests" },
      element("thead", {}, row("th", "", "signed at", "content digest (SHA-256)")),
      element("tbody", {}, ...evidence.requests.map((request, number) => {
        const which = ["stored", "refused"][number];
        return row("td", which, moment(request.created), code(request.content_digest));
      })));
    const proof = element("a", { href: `double-spends/${entry.index}/proof`, download: `entry-${entry.index}.tlog-proof` }, "Proof for an auditor");
    const details = element("details", {}, summary, element("div", { class: "behind" },
      this.#steps,
      element("div", { class: "wide" }, requests),
      element("p", { class: "dim" }, "Both for ", code(evidence.cps), ", with a token of ", code(entry.issuer ?? "an unknown issuer"), ". Neither who stored nor for whom can be told from it."),
      element("p", {}, proof),
      element("details", { class: "raw" }, element("summary", {}, "Evidence as JSON"), element("pre", {}, JSON.stringify(evidence, null, 1)))));
    this.row = element("li", { "data-index": entry.index }, details);
  }

  show({ proven, tokenChecked, steps }, by) {
    const [style, text] = proven ? (tokenChecked ? ["sound", "proven"] : ["partly", "both signed"]) : ["wrong", "not proven"];
    this.#badge.className = `badge ${style}`;
    say(this.#badge, text);
    say(this.#by, by);
    this.#steps.replaceChildren(...steps.map(({ says, holds }) => step(says, holds)));
    if (!tokenChecked && proven) {
      this.#steps.append(element("li", { class: "unknown" }, "that the issuer signed this token (VOPRF) can be verified by nobody but the issuer"));
    }
  }

  showIncluded(holds) {
    this.lacksProof = false;
    this.#steps.append(step("the entry is under the log’s signed checkpoint", holds));
    if (holds) return;
    this.#badge.className = "badge wrong";
    say(this.#badge, "not in the log");
  }

  fail(reason) {
    this.#steps.append(element("li", { class: "unknown" }, reason));
    this.lacksProof = this.#by.textContent !== "";
    this.#badge.className = "badge open";
    say(this.#badge, this.lacksProof ? "no proof yet" : "not checked");
    if (!this.lacksProof) say(this.#by, reason);
  }
}

function step(says, holds) {
  const mark = element("span", { class: "mark" }, holds ? "holds: " : "does not hold: ");
  return element("li", { class: holds ? "holds" : "fails" }, mark, says);
}

function code(text) {
  return element("code", {}, text);
}

function row(cell, ...contents) {
  return element("tr", {}, ...contents.map((content) => element(cell, {}, content)));
}

async function pageBefore(before) {
  const answer = await fetch(before === null ? "double-spends.json" : `double-spends.json?before=${before}`);
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  return answer.json();
}

async function verdictOfServer(index) {
  const answer = await fetch(`double-spends/${index}/verified`);
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const { proven, token_checked, why } = await answer.json();
  const says = why ?? "the server says that the evidence holds";
  return { proven, tokenChecked: token_checked, steps: [{ says, holds: proven }] };
}
