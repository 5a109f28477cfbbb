"use strict";
// The page's state is one pair: episode and decision. `show` draws it; keys, clicks and filters change it.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const UNCERTAIN = 10; // decisions that the filter keeps, the widest spread first

const all = [];
data.episodes.forEach((episode, e) => {
  episode.steps.forEach((step, t) => all.push({ e, t, entropy: step.entropy }));
  all.push({ e, t: episode.steps.length, entropy: -1 }); // how it ended
});
const ranked = all.filter((d) => d.entropy >= 0).sort((a, b) => b.entropy - a.entropy);
const question = (d) => JSON.stringify([data.episodes[d.e].steps[d.t].scene, data.episodes[d.e].steps[d.t].menu]);
const highest = Math.max(0.25, ...ranked.map((d) => d.entropy)); // nats; a policy that is sure everywhere has low marks
let here = all[0];
let visible = all;
let wordsOpen = false; // the words of all phrases, rather than of those that were clicked
let playing = null; // the timer of the autoplay
const EVERY = 1200; // milliseconds between decisions while it plays

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "onclick") node.addEventListener("click", value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

const fixed = (x, digits) => (x === null ? "not finite" : x.toFixed(digits));
const sign = (x, digits) => (Number(x.toFixed(digits)) === 0 ? "" : x < 0 ? "\u2212" : "+");
const signed = (x, digits) => (x === null ? fixed(x) : sign(x, digits) + Math.abs(x).toFixed(digits));
const percent = (p) => p === null ? fixed(p) : (p > 0 && p < 0.0005 ? "<0.1" : (100 * p).toFixed(p === 1 || p === 0 ? 0 : 1)) + " %";
const outcome = (episode) => (episode.success ? "\u2713 reached" : episode.truncated ? "\u2717 time is up" : "\u2717 failed");

function wanted(episode) {
  const which = $("which").value;
  return which === "all" || (which === "successes") === episode.success;
}

function filter() {
  visible = all.filter((d) => wanted(data.episodes[d.e]));
  if ($("decisions").value === "uncertain") {
    const kept = new Map(); // one decision for each question: a policy that walks in circles asks the same again
    for (const d of ranked) {
      if (kept.size < UNCERTAIN && wanted(data.episodes[d.e]) && !kept.has(question(d))) kept.set(question(d), d);
    }
    visible = [...kept.values()];
  }
  const steps = visible.filter((d) => d.entropy >= 0).length;
  $("count").textContent = visible.length ? `${steps} decision${steps === 1 ? "" : "s"} shown` : "no episode of this kind";
  if (visible.length && !visible.some((d) => d.e === here.e && d.t === here.t)) here = visible[0];
  list();
  show();
}

// The list of episodes with their timelines, drawn once per filter; `show` only moves the marker.
function list() {
  const shown = new Set(visible.map((d) => `${d.e},${d.t}`));
  const rows = data.episodes.map((episode, e) => {
    if (!wanted(episode)) return "";
    const name = `${e + 1}. ${outcome(episode)}, ${fixed(episode.return, 3)}${episode.greedy ? " (greedy)" : ""}`;
    const marks = episode.steps.map((step, t) => {
      const label = `episode ${e + 1}, decision ${t + 1}: ${step.menu[step.chosen]}, entropy ${fixed(step.entropy, 2)}`;
      const mark = element("button", { class: "mark", title: label, "aria-label": label, "data-at": `${e},${t}`, onclick: () => go({ e, t }) });
      mark.append(element("i", {}));
      mark.firstChild.style.height = `${Math.max(4, (100 * step.entropy) / highest)}%`;
      if (!shown.has(`${e},${t}`)) mark.classList.add("out");
      return mark;
    });
    const t = episode.steps.length;
    const end = element("button", { class: "mark end", title: "how it ended", "aria-label": `episode ${e + 1}, how it ended`, "data-at": `${e},${t}`, onclick: () => go({ e, t }) });
    end.append(episode.success ? "\u2713" : "\u2717");
    return element(
      "div",
      { class: "episode", "data-episode": e },
      element("button", { class: "name", onclick: () => go(visible.find((d) => d.e === e) || { e, t: 0 }) }, name),
      element("div", { class: "marks" }, ...marks, end),
    );
  });
  $("episodes").replaceChildren(...rows.filter((row) => row));
}

function go(place) {
  here = place;
  show();
}

function show() {
  const empty = !visible.length;
  document.querySelector("main").hidden = empty;
  if (empty) return;
  const episode = data.episodes[here.e];
  const atEnd = here.t === episode.steps.length;
  const step = atEnd ? episode.end : episode.steps[here.t];
  $("scene").textContent = step.scene;
  $("goal").textContent = `Goal: ${step.goal ?? episode.goal}`;
  $("picture").hidden = step.picture < 0;
  $("legend").textContent = step.picture < 0 ? "" : episode.legend || "";
  if (step.picture >= 0) {
    $("picture").src = `data:image/png;base64,${data.pictures[step.picture]}`;
    $("picture").alt = `The state: ${step.scene}`;
  }
  $("where").textContent = `episode ${here.e + 1}, ` + (atEnd ? "the end" : `decision ${here.t + 1} of ${episode.steps.length}`);
  menu(atEnd ? null : step);
  memory(atEnd ? null : step);
  numbers(atEnd ? { outcome: outcome(episode), "discounted return": fixed(episode.return, 4), steps: episode.length }
    : { reward: signed(step.reward, 3), value: fixed(step.value, 3), advantage: signed(step.advantage, 3), entropy: `${fixed(step.entropy, 2)} nats`, takes: `${step.duration} step${step.duration === 1 ? "" : "s"}` });
  mark();
  history.replaceState(null, "", `#${here.e + 1}.${here.t + 1}`);
}

function menu(step) {
  const order = step ? step.menu.map((_, i) => i).sort((a, b) => step.probs[b] - step.probs[a]) : [];
  const rows = order.map((i) => {
    const bar = element("i", {});
    bar.style.width = `${100 * step.probs[i]}%`;
    const chosen = i === step.chosen;
    const phrase = told((chosen ? "\u25b6 " : "") + step.menu[i], step.words && step.words[i]);
    return element(
      "tr",
      chosen ? { class: "chosen", "aria-current": "true" } : {},
      element("td", {}, phrase),
      element("td", { class: "track" }, track(bar, step, i)),
      ...(step.without ? [element("td", { class: "share before", title: "without the memory" }, `${percent(step.without[i])} \u2192`)] : []),
      element("td", { class: "share" }, percent(step.probs[i])),
      ...(step.search ? [element("td", { class: "share", title: "what the search makes of it" }, `\u2192 ${percent(step.search[i])}`)] : []),
    );
  });
  $("menu").tBodies[0].replaceChildren(...rows);
}

// A bar, and where a memory advised a mark on it: how long it would be without.
function track(bar, step, i) {
  const whole = element("div", { class: "bar" }, bar);
  if (step.without) {
    const before = element("b", { title: `without the memory ${percent(step.without[i])}` });
    before.style.left = `${100 * step.without[i]}%`;
    whole.append(before);
  }
  return whole;
}

// What a memory recalled for the decision: the records, the most similar first, and the text that was read.
function memory(step) {
  const m = step && step.memory >= 0 ? data.memories[step.memory] : null;
  $("memory").hidden = !m;
  if (!m) return;
  const records = m.records.map((r) => {
    const known = r.known.map(([mark, action, value]) => element("li", {}, `${mark} ${action} ${fixed(value, 3)}`));
    const head = element("p", {}, element("b", {}, fixed(r.similarity, 3)), ` similar, met ${r.visits}\u00d7: ${r.where}`);
    return element("div", { class: "record" }, head, element("ul", {}, ...known));
  });
  const worth = step.menu.filter((a) => a in m.values).map((a) => element("li", {}, `${a}: ${fixed(m.values[a], 3)}`));
  $("memory").replaceChildren(
    element("h2", {}, m.title),
    ...(step.without ? [element("p", {}, "A dashed mark in a bar: the probability without it.")] : []),
    ...records,
    ...(worth.length ? [element("p", {}, "So the actions here are worth (Q):"), element("ul", {}, ...worth)] : []),
    ...(m.advice ? [element("p", {}, "Read before the state:"), element("pre", {}, m.advice.trimEnd())] : []),
  );
}

// A phrase that opens into its words, each with its log-probability: what the policy adds up.
function told(phrase, words) {
  if (!words) return phrase;
  const parts = words.map(([word, logProb]) => {
    const part = element("span", { class: "word", title: `the log-probability of "${word}" in nats` }, word, element("b", {}, signed(logProb, 2)));
    part.style.setProperty("--doubt", logProb === null ? 1 : Math.min(1, -logProb / 5));
    return part;
  });
  const details = element("details", {}, element("summary", {}, phrase), element("div", { class: "words" }, ...parts));
  details.open = wordsOpen;
  return details;
}

function words() {
  wordsOpen = !wordsOpen;
  document.querySelectorAll("#menu details").forEach((node) => (node.open = wordsOpen));
}

function numbers(pairs) {
  $("numbers").replaceChildren(
    ...Object.entries(pairs).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))),
  );
}

function mark() {
  document.querySelectorAll(".here").forEach((node) => node.classList.remove("here"));
  const row = document.querySelector(`[data-episode="${here.e}"]`);
  const tick = document.querySelector(`[data-at="${here.e},${here.t}"]`);
  if (row) row.classList.add("here");
  if (tick) {
    tick.classList.add("here");
    tick.scrollIntoView({ block: "nearest" });
  }
  const i = visible.findIndex((d) => d.e === here.e && d.t === here.t);
  $("back").disabled = i === 0;
  $("next").disabled = i === visible.length - 1;
}

function move(by) {
  const i = visible.findIndex((d) => d.e === here.e && d.t === here.t);
  const j = i < 0 ? 0 : Math.min(visible.length - 1, Math.max(0, i + by));
  if (visible.length) go(visible[j]);
}

function play(on) {
  clearInterval(playing);
  const i = visible.findIndex((d) => d.e === here.e && d.t === here.t);
  if (on && i === visible.length - 1) go(visible[0]);
  playing = on && visible.length > 1 ? setInterval(() => (move(1), $("next").disabled && play(false)), EVERY) : null;
  $("play").textContent = playing ? "\u25a0 stop" : "\u25b6 play";
  $("play").setAttribute("aria-label", playing ? "stop" : "play all decisions");
}

function leap(by) {
  const episodes = [...new Set(visible.map((d) => d.e))];
  const k = episodes.indexOf(here.e) + by;
  if (k >= 0 && k < episodes.length) go(visible.find((d) => d.e === episodes[k]));
}

function toggle(id, value) {
  $(id).value = $(id).value === value ? "all" : value;
  filter();
}

const keys = {
  ArrowRight: () => move(1), ArrowLeft: () => move(-1), ArrowDown: () => leap(1), ArrowUp: () => leap(-1),
  " ": () => play(!playing), w: words,
  Home: () => move(-all.length), End: () => move(all.length),
  f: () => toggle("which", "failures"), u: () => toggle("decisions", "uncertain"),
};
document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  if (event.key === " " && /^(BUTTON|SUMMARY)$/.test(event.target.tagName)) return; // it presses what has the focus
  event.preventDefault();
  if (event.key !== " " && event.key !== "w") play(false);
  keys[event.key]();
});
document.addEventListener("click", (event) => event.isTrusted && event.target.id !== "play" && !event.target.closest("#menu") && play(false));
$("play").addEventListener("click", () => play(!playing));
$("back").addEventListener("click", () => move(-1));
$("next").addEventListener("click", () => move(1));
$("which").addEventListener("change", filter);
$("decisions").addEventListener("change", filter);

const reached = data.episodes.filter((episode) => episode.success).length;
$("title").textContent = `What it thought: ${data.env}`;
document.title = $("title").textContent;
$("about").textContent = [
  data.model && `model ${data.model}`,
  data.run,
  `${reached} of ${data.episodes.length} episodes reached the goal`,
  data.optimum !== null && `the best possible return is ${data.optimum.toFixed(4)}`,
  data.left_out && `${data.left_out} pictures were left out to keep the page small`,
].filter(Boolean).join("; ");
const place = /^#(\d+)\.(\d+)$/.exec(location.hash);
if (place) {
  const asked = all.find((d) => d.e === place[1] - 1 && d.t === place[2] - 1);
  if (asked) here = asked;
}
filter();
