// Sending an answer, and what comes back while it is graded.
import { grade } from "./api.js";
import { figure, inWords, show } from "./critique.js";
import { idOf } from "./choose.js";
import { $, goTo, long, say } from "./dom.js";

let running = null; // the AbortController of the grading under way
let waiting = null; // the timer of a result that is not the last
const results = new Map(); // the last critique of each question, of this visit

// send grades an answer. context is what critique.show wants; judged says whether a judge is asked that the server has.
export async function send(question, answer, context, judged) {
  if (running || $("send").getAttribute("aria-disabled") === "true") return;
  const run = new AbortController();
  running = run;
  say("problem", "");
  busy(true);
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let seen = null;
  try {
    for await (const event of grade(question, { answer, judge: judged === false ? "OFF" : "AUTO" }, run.signal)) {
      if (running !== run) return; // another question has been opened
      const c = event.critique ?? event.preliminary;
      if (!c) continue; // a point: the whole critique follows at once
      present(c, context);
      if (event.critique) final(c, seconds());
      else if (judged) first(c, seconds);
      if (!seen) goTo($("result-title"));
      seen = c;
      results.set(idOf(question), { c, context, by: $("by").textContent });
    }
  } catch (e) {
    if (running === run) failed(e, seen);
  }
  if (running !== run) return;
  running = null;
  busy(false);
}

// cancel ends what is under way: nobody waits for it any more.
export function cancel() {
  running?.abort();
  running = null;
  busy(false);
}

// stop ends what is under way, and says so.
export const stop = () => running?.abort();

// scoreOf is the score that a question was graded with last, in short; undefined without one.
export function scoreOf(question) {
  const last = results.get(idOf(question));
  return last?.c.score && figure(last.c);
}

// recall shows what a question was graded with last, if it was. Its recording is gone.
export function recall(question) {
  const last = results.get(idOf(question));
  $("result").hidden = !last;
  if (!last) return;
  present(last.c, { ...last.context, play: undefined });
  $("by").textContent = last.by;
  $("status").textContent = "";
}

function busy(yes) {
  clearInterval(waiting);
  $("send").setAttribute("aria-disabled", String(yes));
  $("send").textContent = yes ? "Grading" : "Grade my answer";
  $("stop").hidden = !yes;
  $("result").classList.toggle("pending", yes);
}

function present(c, context) {
  clearInterval(waiting);
  $("result").hidden = false;
  $("broken").hidden = true;
  $("by").classList.remove("busy");
  show(c, context);
}

// first says what the keywords found while the judge reads. What counts the seconds is not read aloud.
function first(c, seconds) {
  const tick = () => { $("by").textContent = "First result, by keywords. The judge is reading" + (seconds() < 3 ? "" : ", " + long(seconds()) + " so far"); };
  tick();
  waiting = setInterval(tick, 1000);
  $("by").classList.add("busy");
  $("status").textContent = "First result, by keywords: " + inWords(c) + " The judge is reading.";
}

function final(c, seconds) {
  const judged = c.mode === "JUDGE";
  const took = " in " + (seconds < 1 ? Math.round(seconds * 1000) + " ms" : seconds.toFixed(1) + " s");
  $("by").textContent = c.state === "UNGRADABLE" ? "Not graded" : (judged ? "Judged by " + (c.receipt.judgeModel ?? "a model") : "By keywords") + took;
  $("status").textContent = (judged ? "Judged: " : "Result: ") + inWords(c);
}

function failed(e, seen) {
  const stopped = e.name === "AbortError";
  if (seen) return broken((stopped ? "Stopped." : e.message) + " This is the result by keywords, without the judge.");
  if (stopped) return;
  say("problem", e.message);
  if (e.status === 401) dispatchEvent(new CustomEvent("keywanted", { detail: e }));
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
    if (left > 0) return;
    clearInterval(timer);
    say("problem", "");
  };
  const timer = setInterval(tick, 1000);
  setTimeout(tick); // after busy has ended
}
