// The page to practise: choose a question, answer it typed or aloud, read the critique.
import { forget, listening, player, transcriptOf, useVoice } from "./aloud.js";
import { grade, list, useKey } from "./api.js";
import { inWords, show } from "./critique.js";
import { $, goTo, long, make, say } from "./dom.js";
import { light } from "./marks.js";

const stages = { SCREEN: "Screening", DEEP_DIVE: "In depth", SYSTEM_DESIGN: "System design" };
const wordsPerSecond = 130 / 60; // of calm speech with its pauses
const server = document.documentElement.dataset; // judge and speech are set where it has them

const state = {
  questions: [],
  banks: [],
  question: null,
  running: null, // the AbortController of the grading under way
  scores: new Map(), // by question, of this visit
  arrived: false,
};

// ---- questions

const idOf = (q) => q.bank + "/" + q.id;
const labelOf = (text) => text.charAt(0).toUpperCase() + text.slice(1).replaceAll("-", " ");

async function load() {
  say("found", "Loading the questions.");
  $("choose").hidden = false;
  try {
    [state.questions, state.banks] = await Promise.all([list("questions"), list("banks")]);
  } catch (e) {
    say("found", "");
    return loadFailed(e);
  }
  $("key-form").hidden = true;
  const used = new Set(state.questions.map((q) => q.stage));
  $("stage").replaceChildren(make("option", { value: "" }, "All stages"), ...Object.keys(stages).filter((s) => used.has(s)).map((s) => make("option", { value: s }, stages[s])));
  route();
  state.arrived = true; // from now on a question that opens takes the focus
}

function loadFailed(e) {
  $("choose").hidden = true;
  if (e.status === 401 || e.status === 403) {
    $("key-form").hidden = false;
    say("key-problem", state.keyed ? e.message : "");
    $("key").focus();
    return;
  }
  $("choose").hidden = false;
  const again = make("button", { type: "button", className: "quiet" }, "Try again");
  again.addEventListener("click", load);
  $("list").replaceChildren(make("div", { className: "problem", role: "alert" }, make("p", {}, e.message), again));
}

function listQuestions() {
  const wanted = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const stage = $("stage").value;
  const found = state.questions.filter((q) => {
    const text = [q.title, q.prompt, q.category.replaceAll("-", " "), q.id, q.bank].join(" ").toLowerCase();
    return (!stage || q.stage === stage) && wanted.every((w) => text.includes(w));
  });
  const several = state.banks.length > 1;
  $("list").replaceChildren(...state.banks.flatMap((bank) => {
    const mine = found.filter((q) => q.bank === bank.id);
    const categories = [...new Set(mine.map((q) => q.category))];
    return [several && mine.length && make("h2", { className: "bank" }, bank.title), ...categories.map((c) => category(c, mine.filter((q) => q.category === c), several ? "h3" : "h2"))];
  }).filter(Boolean));
  say("found", found.length ? found.length + (found.length === 1 ? " question" : " questions") : "No question fits. Search for something else, or for all stages.");
}

const category = (name, list, heading) => make("section", { className: "category" }, make(heading, {}, labelOf(name)), make("ul", { className: "questions" }, ...list.map(entry)));

function entry(q) {
  const score = state.scores.get(idOf(q));
  const about = (stages[q.stage] ?? "") + ", " + long(q.expectedSeconds) + (score ? ", last score " + score : "");
  return make("li", {}, make("a", { href: "#" + idOf(q) }, make("span", { className: "what" }, q.title), make("span", { className: "about" }, about)));
}

function route() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const q = state.questions.find((q) => idOf(q) === wanted);
  if (q === state.question && q) return;
  leave();
  state.question = q ?? null;
  $("choose").hidden = Boolean(q);
  $("practice").hidden = !q;
  document.title = (q ? q.title : "Questions") + " · grader";
  if (!q) return listQuestions();
  open(q);
}

// leave keeps the draft and ends what is under way.
function leave() {
  state.running?.abort();
  state.running = null;
  forget();
  if (state.question) busy(false);
}

function open(q) {
  $("title").textContent = q.title;
  $("about").textContent = [labelOf(q.category), stages[q.stage], "about " + long(q.expectedSeconds) + " aloud"].filter(Boolean).join(" · ");
  $("prompt").textContent = q.prompt;
  $("answer").value = sessionStorage.getItem(idOf(q)) ?? "";
  const after = state.questions[(state.questions.indexOf(q) + 1) % state.questions.length];
  $("next").href = "#" + idOf(after);
  $("result").hidden = true;
  say("problem", "");
  count();
  if (state.arrived) goTo($("title"));
}

// ---- the answer

const encoder = new TextEncoder();
const maxBytes = 32768;

function count() {
  const text = $("answer").value;
  const words = (text.match(/\S+/g) ?? []).length;
  const over = encoder.encode(text).length - maxBytes;
  const expected = state.question.expectedSeconds;
  const goal = long(expected) + ", some " + Math.round(expected * wordsPerSecond / 10) * 10 + " words";
  const spoken = words ? ", " + long(words / wordsPerSecond) + " aloud" : "";
  $("count").textContent = over > 0 ? "Too long by " + over + " characters: 32 KiB are the most." : words + (words === 1 ? " word" : " words") + spoken + ". A good answer takes about " + goal + ".";
  $("count").classList.toggle("over", over > 0);
}

function answerChanged() {
  count();
  sessionStorage.setItem(idOf(state.question), $("answer").value);
}

// write puts a text into the field as if it were typed.
function write(text) {
  $("answer").value = text;
  answerChanged();
}

function answer() {
  const text = $("answer").value;
  const transcript = text.trim() && transcriptOf(text);
  if (transcript) return { transcript, modality: "SPOKEN" };
  return { text, modality: $("spoken").checked ? "SPOKEN" : "TYPED" };
}

async function send() {
  if (listening()) return say("problem", "Stop the recording first, and see what was heard.");
  if (state.running || $("send").getAttribute("aria-disabled") === "true") return;
  const run = new AbortController();
  const q = state.question;
  const sent = answer();
  const context = { text: $("answer").value, bands: state.banks.find((b) => b.id === q.bank).bands, play: player() };
  state.running = run;
  say("problem", "");
  busy(true);
  const started = performance.now();
  let seen = null;
  try {
    for await (const event of grade(q, { answer: sent, judge: $("judge").checked ? "AUTO" : "OFF" }, run.signal)) {
      if (run.signal.aborted) break;
      const c = event.critique ?? event.preliminary;
      if (!c) continue; // a point: the whole critique follows at once
      present(c, context, Boolean(event.critique), (performance.now() - started) / 1000, !seen);
      seen = c;
    }
  } catch (e) {
    if (state.running === run) gradingFailed(e, seen);
  }
  if (state.running !== run) return; // another question has been opened
  state.running = null;
  busy(false);
  if (seen) state.scores.set(idOf(q), seen.score && String(seen.score.value ?? seen.score.low));
}

function busy(yes) {
  $("send").setAttribute("aria-disabled", String(yes));
  $("send").textContent = yes ? "Grading" : "Grade my answer";
  $("stop").hidden = !yes;
  $("result").classList.toggle("pending", yes);
}

function present(c, context, final, seconds, first) {
  $("result").hidden = false;
  $("broken").hidden = true;
  show(c, context);
  const judged = c.mode === "JUDGE";
  const took = " in " + (seconds < 1 ? Math.round(seconds * 1000) + " ms" : seconds.toFixed(1) + " s");
  const waits = !final && server.judge !== undefined && $("judge").checked;
  $("by").textContent = waits ? "First result, by keywords. The judge is reading." : judged ? "Judged by " + (c.receipt.judgeModel ?? "a model") + took : "By keywords" + took;
  $("by").classList.toggle("busy", waits);
  if (final || waits) $("status").textContent = (waits ? "First result, by keywords: " + inWords(c) + " The judge is reading." : (judged ? "Judged: " : "Result: ") + inWords(c));
  if (first) goTo($("result-title"));
}

function gradingFailed(e, seen) {
  if (e.name === "AbortError") {
    if (seen) broken("Stopped. This is the result by keywords.");
    return;
  }
  if (seen) return broken(e.message + " This is the result by keywords, without the judge.");
  say("problem", e.wait ? e.message.replace(/; wait as .*/, ".") + " You can try again in " + long(e.wait) + "." : e.message);
  if (e.status === 401) loadFailed(e);
  if (e.wait) hold(e.wait);
}

function broken(text) {
  $("broken").hidden = false;
  $("broken-text").textContent = text;
  $("by").textContent = "By keywords";
  $("by").classList.remove("busy");
}

// hold keeps the answer back until the server takes it again.
function hold(seconds) {
  const button = $("send");
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    button.setAttribute("aria-disabled", String(left > 0));
    button.textContent = left > 0 ? "Wait " + long(left) : "Grade my answer";
    if (left <= 0) { clearInterval(timer); say("problem", ""); }
  };
  const timer = setInterval(tick, 1000);
  setTimeout(tick); // after busy has ended
}

// ---- wiring

// linked are the marks of an element's quotes, and the card that they belong to.
const linked = (e) => e.target.closest?.("[data-spans]")?.dataset.spans.split(" ").filter(Boolean) ?? [];

// follow leads from a mark to its card, and from a quote to its words.
function follow(e) {
  const from = e.target.closest("a[href^='#card-'], a.quote, mark");
  if (!from) return;
  e.preventDefault();
  const first = from.dataset.spans.split(" ")[0];
  if (from.matches(".quote")) {
    goTo(document.querySelector("#text .ref[data-spans='" + first + "']") ?? $("text"));
    light([first]);
  } else {
    const card = [...document.querySelectorAll("#groups li[data-spans]")].find((li) => li.dataset.spans.split(" ").includes(first));
    goTo(card);
  }
}

document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); goTo($("main")); }); // the hash is the question's
$("key-form").addEventListener("submit", (e) => { e.preventDefault(); state.keyed = true; useKey($("key").value.trim()); load(); });
$("search").addEventListener("input", listQuestions);
$("stage").addEventListener("change", listQuestions);
$("any").addEventListener("click", () => {
  const links = [...document.querySelectorAll("#list .questions a")];
  if (links.length) location.hash = links[Math.floor(Math.random() * links.length)].hash;
});
$("answer").addEventListener("input", answerChanged);
$("form").addEventListener("submit", (e) => { e.preventDefault(); send(); });
$("form").addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); send(); } });
$("stop").addEventListener("click", () => state.running?.abort());
$("broken-again").addEventListener("click", send);
$("again").addEventListener("click", () => goTo($("answer")));
for (const name of ["mouseover", "focusin"]) $("detail").addEventListener(name, (e) => light(linked(e)));
for (const name of ["mouseleave", "focusout"]) $("detail").addEventListener(name, () => light([]));
$("detail").addEventListener("click", follow);
addEventListener("hashchange", route);
if (server.speech !== undefined) useVoice({ question: () => state.question, text: () => $("answer").value, write });
$("judge-choice").hidden = server.judge === undefined;
load();
