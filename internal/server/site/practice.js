// The page to practise: choose a question, answer it typed or aloud, read the critique.
import { forget, listening, player, transcriptOf, useVoice } from "./aloud.js";
import { useKey } from "./api.js";
import { about, catalog, idOf, listQuestions, load } from "./choose.js";
import { $, goTo, long, make, say } from "./dom.js";
import { cancel, recall, scoreOf, send, stop } from "./grading.js";
import { light } from "./marks.js";

const wordsPerSecond = 130 / 60; // of calm speech with its pauses
const server = document.documentElement.dataset; // judge and speech are set where it has them

let question = null; // the open one
let arrived = false; // from then on a question that opens takes the focus
let keyed = false; // a key has been tried

// ---- arriving

async function begin() {
  $("choose").hidden = Boolean(question);
  say("found", "Loading the questions.");
  try {
    await load();
  } catch (e) {
    say("found", "");
    if (e.status === 401 || e.status === 403) wantKey(e);
    else loadFailed(e);
    return;
  }
  $("key-form").hidden = true;
  if (question) $("answer").focus(); // the key was wanted for an answer
  else route();
  arrived = true;
}

function wantKey(e) {
  $("choose").hidden = true;
  $("key-form").hidden = false;
  say("key-problem", keyed ? e.message : "");
  $("key").focus();
}

function loadFailed(e) {
  const again = make("button", { type: "button", className: "quiet" }, "Try again");
  again.addEventListener("click", begin);
  $("list").replaceChildren(make("div", { className: "problem", role: "alert" }, make("p", {}, e.message), again));
}

// route opens the question that the address names, or the list.
function route() {
  const q = catalog.questions.find((q) => "#" + idOf(q) === location.hash);
  if (q && q === question) return;
  cancel();
  forget();
  const left = question;
  question = q ?? null;
  $("choose").hidden = Boolean(q);
  $("practice").hidden = !q;
  document.title = (q ? q.title : "Questions") + " · grader";
  if (q) return open(q);
  showList();
  if (left) document.querySelector("#list a[href='#" + idOf(left) + "']")?.focus({ preventScroll: true });
}

const showList = () => listQuestions(scoreOf);

function open(q) {
  $("title").textContent = q.title;
  $("about").textContent = about(q);
  $("prompt").textContent = q.prompt;
  $("answer").value = draft.read();
  $("next").href = "#" + idOf(catalog.questions[(catalog.questions.indexOf(q) + 1) % catalog.questions.length]);
  say("problem", "");
  count();
  recall(q);
  if (arrived) goTo($("title"));
}

// ---- the answer

// draft keeps the answer to the open question over a reload, where the browser lets it.
const draft = {
  read() { try { return sessionStorage.getItem(idOf(question)) ?? ""; } catch { return ""; } },
  write(text) { try { sessionStorage.setItem(idOf(question), text); } catch { /* no room, or not allowed */ } },
};

const maxBytes = 32768;

function count() {
  const text = $("answer").value;
  const words = (text.match(/\S+/g) ?? []).length;
  const over = new TextEncoder().encode(text).length - maxBytes;
  const expected = question.expectedSeconds;
  const goal = long(expected) + ", some " + Math.round(expected * wordsPerSecond / 10) * 10 + " words";
  const spoken = words ? ", " + long(words / wordsPerSecond) + " aloud" : "";
  $("count").textContent = over > 0 ? "Too long by " + over + " characters: 32 KiB are the most." : words + (words === 1 ? " word" : " words") + spoken + ". A good answer takes about " + goal + ".";
  $("count").classList.toggle("over", over > 0);
}

function changed() {
  count();
  draft.write($("answer").value);
}

// write puts a text into the field as if it were typed.
function write(text) {
  $("answer").value = text;
  changed();
}

function answer(text) {
  const transcript = text.trim() && transcriptOf(text);
  if (transcript) return { transcript, modality: "SPOKEN" };
  return { text, modality: $("spoken").checked ? "SPOKEN" : "TYPED" };
}

function submit() {
  if (listening()) return say("problem", "Stop the recording first, and see what was heard.");
  const text = $("answer").value.toWellFormed(); // half a character cannot be sent
  const context = { text, bands: catalog.banks.find((b) => b.id === question.bank).bands, play: player() };
  send(question, answer(text), context, server.judge !== undefined && $("judge").checked);
}

// ---- marks and cards

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
    goTo([...document.querySelectorAll("#groups li[data-spans]")].find((li) => li.dataset.spans.split(" ").includes(first)));
  }
}

const linked = (e) => e.target.closest?.("[data-spans]")?.dataset.spans.split(" ").filter(Boolean) ?? [];

for (const name of ["mouseover", "focusin"]) $("detail").addEventListener(name, (e) => light(linked(e)));
for (const name of ["mouseleave", "focusout"]) $("detail").addEventListener(name, () => light([]));
$("detail").addEventListener("click", follow);

// ---- wiring

document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); goTo($("main")); }); // the hash is the question's
$("key-form").addEventListener("submit", (e) => { e.preventDefault(); keyed = true; useKey($("key").value.trim()); begin(); });
$("search").addEventListener("input", showList);
$("stage").addEventListener("change", showList);
$("any").addEventListener("click", () => {
  const links = [...document.querySelectorAll("#list .questions a")];
  if (links.length) location.hash = links[Math.floor(Math.random() * links.length)].hash;
});
$("answer").addEventListener("input", changed);
$("form").addEventListener("submit", (e) => { e.preventDefault(); submit(); });
$("form").addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); submit(); } });
$("stop").addEventListener("click", stop);
$("broken-again").addEventListener("click", submit);
$("again").addEventListener("click", () => goTo($("answer")));
addEventListener("hashchange", route);
addEventListener("keywanted", (e) => wantKey(e.detail));
if (server.speech !== undefined) useVoice({ question: () => question, text: () => $("answer").value, write });
$("judge-choice").hidden = server.judge === undefined;
begin();
