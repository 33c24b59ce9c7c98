// The critique on the page.
import { $, clock, long, make, say } from "./dom.js";
import { showText } from "./marks.js";

const decisions = { MET: "Met", PARTIAL: "Partly met", MISSED: "Missed", CONTRADICTED: "Contradicted", UNKNOWN: "Undecided" };
const weights = { 1: "nice to have", 2: "expected", 3: "essential" };

const notes = {
  LOW_COVERAGE: "Too many points are undecided for one figure: read the range.",
  JUDGE_UNAVAILABLE: "The judge could not be reached.",
  JUDGE_TIMEOUT: "The judge took too long.",
  JUDGE_RATE_LIMITED: "The judge has too much to do.",
  JUDGE_REFUSED: "The judge refused the request.",
  JUDGE_REPLY_INVALID: "The judge's reply could not be used.",
  JUDGE_BUDGET_SPENT: "The budget for the judge is spent.",
  INJECTION_SUSPECTED: "Part of the text speaks to the grader. It was taken out; the rest was graded.",
  KEYWORD_DUMP: "This is a list of terms. Say what they do, in sentences.",
  OFF_TOPIC: "This answers something else.",
  ECHO: "This repeats the question.",
  UNVERIFIED_QUOTE: "The judge quoted words that are not in the answer; keywords decided there.",
  LOW_TRANSCRIPT_QUALITY: "The transcript is doubtful: speech may be missing or misheard. Listen again before you rely on this.",
};

const number = (n) => String(Math.round(n * 10) / 10);

// figure is the score in short.
export function figure(c) {
  if (!c.score) return "no score";
  return c.score.value === undefined ? number(c.score.low) + " to " + number(c.score.high) : number(c.score.value);
}

const bandOf = (c) => (c.mode === "KEYWORDS" ? "at least " : "") + c.score.band;

// inWords is the whole outcome as a sentence.
export function inWords(c) {
  if (c.state === "UNGRADABLE") return "Not graded. " + c.summary;
  return figure(c) + " of 100, " + bandOf(c) + ".";
}

const said = (values) => values.map((v) => notes[v]).filter(Boolean);

// remarks are what a reader should know of the critique. Why an answer is ungradable stands in the summary.
function remarks(c) {
  if (c.state !== "DEGRADED") return said([...c.reasons, ...c.flags]);
  return [[...said(c.reasons), "Keywords decided alone; claims in other words may have been missed."].join(" "), ...said(c.flags)];
}

// show puts a critique on the page. context has the text that was sent, the bands of the bank,
// and play, which plays a stretch of the recording where there is one.
export function show(c, context) {
  const text = c.transcript?.text ?? context.text;
  const cards = cardsOf(c);
  const spans = cards.flatMap((card) => card.evidence.map((e) => ({ from: e.startUtf16, to: e.endUtf16, kind: card.kind, number: card.number, label: card.label, card: card.id })));
  showScore(c, context.bands);
  $("notes").replaceChildren(...remarks(c).map((t) => make("li", {}, t)));
  say("summary", c.points.length ? "" : c.summary);
  $("detail").hidden = !c.points.length;
  showText(text, spans, c.sentences);
  showLegend(spans, c.sentences);
  showGroups(c, cards, spans, context);
  showDelivery(c.delivery);
  $("follow-box").hidden = !c.followUp;
  $("follow").textContent = c.followUp;
  $("json").textContent = JSON.stringify(c, null, 2);
}

const open = ["MISSED", "PARTIAL"]; // decisions that leave something to earn

// cardsOf numbers everything that was decided, points first, in the rubric's order, so that numbers stay while a judge
// changes decisions.
function cardsOf(c) {
  const gain = (field, id) => c.nextSteps.find((s) => s[field] === id)?.gain ?? 0;
  const all = c.points.reduce((sum, p) => sum + p.weight, 0);
  const worth = (p) => (open.includes(p.decision) ? 100 * p.weight * (1 - p.credit) / all : gain("pointId", p.id)); // steps are only the first few
  const points = c.points.map((p) => ({ ...p, group: p.decision, kind: p.decision.toLowerCase(), label: labelOf(c, p.decision), gain: worth(p), text: p.statement,
    about: p.kind.toLowerCase().replaceAll("_", " ") + ", " + (weights[p.weight] ?? "weight " + p.weight) }));
  const wrong = c.misconceptions.filter((m) => m.decision === "ASSERTED").map((m) => ({ ...m, group: "ASSERTED", kind: "wrong", label: "Wrong", gain: gain("misconceptionId", m.id), text: m.correction }));
  const habits = c.habits.filter((h) => h.decision === "PRESENT").map((h) => ({ ...h, group: "PRESENT", kind: "habit", label: "Habit", gain: 0, text: h.advice }));
  return [...points, ...wrong, ...habits].map((card, i) => ({ ...card, id: "card-" + card.id, number: i + 1 }));
}

// labelOf a decision: keywords find nothing, which is not the same as nothing being there.
const labelOf = (c, decision) => (c.mode === "KEYWORDS" && decision === "MISSED" ? "Not found" : decisions[decision]);

function showScore(c, bands) {
  $("score-box").hidden = !c.score;
  if (!c.score) return;
  const s = c.score;
  $("figure").textContent = figure(c);
  $("band").textContent = bandOf(c);
  $("range").replaceChildren(...scale(s, bands));
  const rest = c.mode === "KEYWORDS" ? "what is said in other words can count too." : "what is undecided could still count.";
  const range = s.low === s.high ? "Every point is decided." : "Between " + number(s.low) + " and " + number(s.high) + ": " + rest;
  $("range").setAttribute("aria-label", "Scale from 0 to 100: " + figure(c) + ", " + bandOf(c) + ". " + range);
  $("range-text").textContent = range;
  showTally(c);
}

// scale draws the bands, the range and the score from 0 to 100.
function scale(s, bands) {
  const place = (e, left, width) => { e.style.left = left + "%"; if (width !== undefined) e.style.width = width + "%"; return e; };
  const drawn = bands.map((b, i) => place(make("div", { className: "tick" }, make("span", {}, b.name)), b.from, (bands[i + 1]?.from ?? 100) - b.from));
  if (s.high > s.low) drawn.push(place(make("div", { className: "span" }), s.low, s.high - s.low));
  if (s.value !== undefined) drawn.push(place(make("div", { className: "at" }), s.value));
  return drawn;
}

function showTally(c) {
  const counted = Object.keys(decisions).map((d) => [d, c.points.filter((p) => p.decision === d).length]).filter(([, n]) => n);
  $("tally").replaceChildren(...counted.map(([d, n]) => make("span", { className: "chip " + d.toLowerCase() }, n + " " + labelOf(c, d).toLowerCase())));
  $("tally").hidden = !counted.length;
}

const legends = { met: "met", partial: "partly met", contradicted: "contradicted", wrong: "wrong", habit: "a habit", idle: "earned nothing", removed: "taken out" };

function showLegend(spans, sentences) {
  const kinds = new Set(spans.map((s) => s.kind));
  const roles = new Set(sentences.map((s) => s.role));
  if (roles.has("UNMAPPED") || roles.has("FILLER")) kinds.add("idle");
  if (roles.has("REMOVED")) kinds.add("removed");
  const sample = (k) => make(k === "idle" || k === "removed" ? "span" : "mark", { className: k }, legends[k]);
  $("legend").replaceChildren(...Object.keys(legends).filter((k) => kinds.has(k)).map((k) => make("li", {}, sample(k))));
}

function showGroups(c, cards, spans, context) {
  const missed = (c.mode === "KEYWORDS" ? "Not found in your words" : "Missed") + ": a strong answer also says";
  const groups = [
    ["Put right", ["CONTRADICTED", "ASSERTED"]], [missed, ["MISSED"]], ["Half there", ["PARTIAL"]], ["Undecided", ["UNKNOWN"]], ["What counted", ["MET"]], ["Habits to work on", ["PRESENT"]],
  ];
  $("groups").replaceChildren(...groups.flatMap(([title, kinds]) => {
    const mine = cards.filter((card) => kinds.includes(card.group)).sort((a, b) => b.gain - a.gain || (b.weight ?? 0) - (a.weight ?? 0) || a.number - b.number);
    if (!mine.length) return [];
    return [make("section", {}, make("h3", {}, title), make("ul", { className: "cards" }, ...mine.map((card) => cardOf(card, spans, context))))];
  }));
}

function cardOf(card, spans, context) {
  const own = spans.flatMap((s, i) => (s.card === card.id ? [i] : []));
  const head = make("p", { className: "head" }, make("span", { className: "number" }, String(card.number)), make("span", { className: "what" }, card.label),
    card.gain > 0 && make("span", { className: "gain" }, "+" + number(card.gain) + " points"), card.about && make("span", { className: "about" }, card.about));
  const opposite = card.group === "CONTRADICTED" && "This reads as the opposite of: ";
  const li = make("li", { className: card.kind, id: card.id, tabIndex: -1 }, head, make("p", { className: "statement" }, opposite, card.text));
  card.evidence.forEach((e, i) => li.append(quoteOf(e, own[i], context.play)));
  const reason = reasonOf(card);
  if (reason) li.append(make("p", { className: "reason" }, reason));
  li.dataset.spans = own.join(" ");
  return li;
}

// reasonOf is what the heading of the card's group does not say already.
function reasonOf(card) {
  if (card.group === "PARTIAL" && card.missing.length) return "Not found: " + card.missing.join("; ") + ".";
  return /^Not (said|found in your words)\b/.test(card.reason) ? "" : card.reason;
}

const quoteLength = 160;

// shorten keeps the ends of a long quote; the whole of it is marked in the text.
function shorten(quote) {
  if (quote.length <= quoteLength) return quote;
  const words = quote.split(/\s+/);
  let [head, tail] = ["", ""];
  while (words.length && head.length + tail.length < quoteLength) {
    head += (head && " ") + words.shift();
    if (words.length && tail.length < head.length) tail = words.pop() + (tail && " ") + tail;
  }
  return words.length ? head.slice(0, quoteLength) + " … " + tail.slice(-quoteLength) : quote;
}

function quoteOf(e, span, play) {
  const a = make("a", { href: "#text", className: "quote" }, "“" + shorten(e.quote) + "”");
  a.dataset.spans = span;
  const heard = e.heardAs && make("span", { className: "about" }, " heard as " + e.heardAs);
  return make("blockquote", {}, a, heard, play && e.startMs !== undefined && playButton(e.startMs, e.endMs, play));
}

// playButton plays a stretch of the recording, given in milliseconds.
export function playButton(startMs, endMs, play) {
  const b = make("button", { type: "button", className: "play" }, clock(startMs));
  b.setAttribute("aria-label", "Play from " + clock(startMs) + " to " + clock(endMs));
  b.addEventListener("click", () => play(startMs, endMs, b));
  return b;
}

function showDelivery(d) {
  $("delivery-box").hidden = !d;
  if (!d) return;
  const fillers = d.fillers.map((f) => "“" + f.text + "” " + f.count).join(", ");
  const facts = [
    ["Length", long(d.durationMs / 1000) + (d.lengthRatio ? ", " + Math.round(100 * d.lengthRatio) + " % of what the question expects" : "")],
    ["Pace", Math.round(d.wordsPerMinute) + " words a minute; calm speech is 130 to 160"],
    ["Longest pause", number(d.longestPauseMs / 1000) + " s"],
    ["Fillers", fillers || "none"],
  ];
  $("delivery").replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}
