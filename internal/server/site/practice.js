// The page to practise: choose a question, answer it typed or aloud, read the critique.
import { grade, list, transcribe, useKey } from "./api.js";
import { inWords, playButton, show } from "./critique.js";
import { $, clock, goTo, long, make, say } from "./dom.js";
import { light } from "./marks.js";
import { longest, play, record, silence, silenceLevel } from "./voice.js";

const stages = { SCREEN: "Screening", DEEP_DIVE: "In depth", SYSTEM_DESIGN: "System design" };
const wordsPerSecond = 130 / 60; // of calm speech with its pauses
const server = document.documentElement.dataset; // judge and speech are set where it has them

const state = {
  questions: [],
  banks: [],
  question: null,
  running: null, // the AbortController of the grading or transcribing under way
  heard: null, // the recording of the answer: sound, transcript, and the text as it was written down
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
  endRecording("discard");
  silence();
  showVoice("idle");
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
  dropRecording();
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

function answer() {
  const text = $("answer").value;
  const heard = state.heard;
  if (!heard || !text.trim()) return { text, modality: $("spoken").checked ? "SPOKEN" : "TYPED" };
  const { doubtful, ...transcript } = heard.transcript;
  // Words keep their times in the text as it was corrected; corrected by hand it is not doubtful any more.
  return { transcript: { ...transcript, text, ...(doubtful && text === transcript.text && { doubtful }) }, modality: "SPOKEN" };
}

async function send() {
  if (state.running || state.recording || $("send").getAttribute("aria-disabled") === "true") return;
  const run = new AbortController();
  const q = state.question;
  const sent = answer();
  const context = { text: $("answer").value, bands: state.banks.find((b) => b.id === q.bank).bands, play: state.heard && playIt };
  state.running = run;
  silence();
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

// ---- speech

function showVoice(part) {
  for (const name of ["idle", "live", "wait"]) $("voice-" + name).hidden = name !== part;
}

async function startRecording() {
  if (state.running || state.recording) return;
  silence();
  say("voice-note", "");
  let loudest = 0;
  try {
    state.recording = await record((level) => { loudest = Math.max(loudest, level); showLevel(level, loudest); });
  } catch (e) {
    say("voice-note", e.message);
    return;
  }
  state.recording.lost = () => stopRecording();
  showVoice("live");
  $("voice-note").textContent = "Recording.";
  $("record-stop").focus();
}

function showLevel(level, loudest) {
  const elapsed = state.recording?.elapsed() ?? 0;
  $("voice-level").value = Math.sqrt(level); // ears are no linear scale either
  $("voice-time").textContent = clock(elapsed) + " of " + clock(state.question.expectedSeconds * 1000);
  if (elapsed > 3000 && loudest < silenceLevel) say("voice-note", "Nothing is heard. Is the microphone muted?");
  if (elapsed > longest) stopRecording();
}

async function endRecording(how) {
  const recording = state.recording;
  state.recording = null;
  return recording?.[how]();
}

async function stopRecording() {
  if (!state.recording) return;
  const run = new AbortController();
  state.running = run;
  showVoice("wait");
  $("voice-abort").focus();
  say("voice-note", "");
  try {
    const { sound, wav } = await endRecording("stop");
    $("voice-wait-text").textContent = "Writing down " + clock(sound.duration * 1000) + " of speech (" + (wav.size / 1e6).toFixed(1) + " MB)";
    const reply = await transcribe(state.question, wav, run.signal);
    if (state.running !== run) return; // another question has been opened
    take(sound, reply);
  } catch (e) {
    if (state.running !== run) return;
    say("voice-note", e.name === "AbortError" ? "Cancelled. The recording is gone." : e.message + " The recording is gone; record again or type.");
  }
  state.running = null;
  showVoice("idle");
  (state.heard ? $("answer") : $("record")).focus();
}

// take puts what was heard into the text field.
function take(sound, reply) {
  state.typed = $("answer").value;
  state.heard = { sound, transcript: reply.transcript };
  $("answer").value = reply.transcript.text;
  answerChanged();
  $("record-text").textContent = "Record again";
  for (const id of ["voice-play", "voice-drop"]) $(id).hidden = false;
  $("voice-undo").hidden = !state.typed.trim();
  $("spoken").parentElement.hidden = true;
  say("voice-note", reply.transcript.text.trim() ? "This is what was heard. Correct names and numbers, then grade it." : "No speech was heard.");
  $("voice-doubts").replaceChildren(...(reply.doubts ?? []).map(doubt));
}

const playIt = (from, to, button) => state.heard && play(state.heard.sound, from, to, button);

function doubt(d) {
  const what = { LOST: "Speech may be missing here.", LOOP: "The recogniser repeats itself here.", INVENTED: "These words may be invented." };
  return make("li", {}, playButton(d.startMs, d.endMs, playIt), " ", what[d.kind] ?? "This is doubtful.");
}

function dropRecording() {
  silence();
  state.heard = null;
  $("record-text").textContent = "Record the answer";
  for (const id of ["voice-play", "voice-drop", "voice-undo"]) $(id).hidden = true;
  $("spoken").parentElement.hidden = false;
  say("voice-note", "");
  $("voice-doubts").replaceChildren();
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
$("record").addEventListener("click", startRecording);
$("record-stop").addEventListener("click", stopRecording);
$("record-cancel").addEventListener("click", async () => { await endRecording("discard"); showVoice("idle"); say("voice-note", "Discarded."); $("record").focus(); });
$("voice-abort").addEventListener("click", () => state.running?.abort());
$("voice-play").addEventListener("click", (e) => playIt(0, state.heard.sound.duration * 1000, e.currentTarget));
$("voice-drop").addEventListener("click", () => { dropRecording(); $("record").focus(); });
$("voice-undo").addEventListener("click", () => { $("answer").value = state.typed; answerChanged(); dropRecording(); $("answer").focus(); });
for (const name of ["mouseover", "focusin"]) $("detail").addEventListener(name, (e) => light(linked(e)));
for (const name of ["mouseleave", "focusout"]) $("detail").addEventListener(name, () => light([]));
$("detail").addEventListener("click", follow);
addEventListener("hashchange", route);
$("voice").hidden = server.speech === undefined;
$("judge-choice").hidden = server.judge === undefined;
load();
