// Answering aloud: record, have it written down, correct that, and play its parts. The recording stays in this tab until
// another question is opened.
import { transcribe } from "./api.js";
import { playButton } from "./critique.js";
import { $, clock, make, say } from "./dom.js";
import { longest, play, record, silence, silenceLevel } from "./voice.js";

let page; // what the page says of itself: question(), text() and write(text)

const none = {
  starting: false, // the browser asks for the microphone
  recording: null, // under way
  asking: null, // the AbortController of a transcription under way
  sound: null, // what was recorded, and as a file: wav
  wav: null,
  transcript: null, // of the sound
  typed: "", // the text that the transcript replaced
};
let now = { ...none };

// useVoice offers the microphone. p has question(), text() and write(text).
export function useVoice(p) {
  page = p;
  $("voice").hidden = false;
  $("record").addEventListener("click", start);
  $("record-stop").addEventListener("click", stop);
  $("record-cancel").addEventListener("click", discard);
  $("voice-abort").addEventListener("click", () => now.asking?.abort());
  $("voice-again").addEventListener("click", writeDown);
  $("voice-play").addEventListener("click", (e) => playStretch(0, now.sound.duration * 1000, e.currentTarget));
  $("voice-drop").addEventListener("click", () => { drop(); $("record").focus(); });
  $("voice-undo").addEventListener("click", undo);
}

// listening says whether an answer is being recorded or written down.
export const listening = () => Boolean(now.starting || now.recording || now.asking);

// player plays a stretch of the recording, from and to in milliseconds, and shows on a button that it does; undefined
// where nothing was recorded.
export const player = () => (now.transcript ? playStretch : undefined);

function playStretch(from, to, button) {
  if (now.sound) play(now.sound, from, to, button);
}

// transcriptOf is the transcript with its text as it was corrected; undefined where there is none. The words keep their
// times, and what a person corrected is not doubtful any more.
export function transcriptOf(text) {
  if (!now.transcript) return undefined;
  const { doubtful, ...transcript } = now.transcript;
  return { ...transcript, text, ...(doubtful && text === transcript.text && { doubtful }) };
}

// forget drops everything, for another question.
export function forget() {
  now.asking?.abort();
  now.recording?.discard();
  drop();
}

function drop() {
  silence();
  now = { ...none };
  note("");
  $("voice-doubts").replaceChildren();
  offer();
}

// note says what happened, or what went wrong.
function note(text, wrong = false) {
  say("voice-note", text);
  $("voice-note").classList.toggle("wrong", wrong);
}

// offer shows what can be done now.
function offer() {
  $("voice-live").hidden = !now.recording;
  $("voice-wait").hidden = !now.asking;
  $("voice-idle").hidden = listening();
  $("send").setAttribute("aria-disabled", String(listening()));
  say("problem", "");
  $("record-text").textContent = now.sound ? "Record again" : "Record the answer";
  $("voice-play").hidden = $("voice-drop").hidden = !now.sound;
  $("voice-again").hidden = !now.sound || Boolean(now.transcript);
  $("voice-undo").hidden = !now.typed.trim();
  $("spoken").parentElement.hidden = Boolean(now.transcript);
}

async function start() {
  if (listening()) return;
  silence();
  note("");
  const mine = now;
  let loudest = 0;
  mine.starting = true;
  try {
    const recording = await record((level) => { loudest = Math.max(loudest, level); showLevel(level, loudest); });
    if (now !== mine) return recording.discard(); // another question has been opened
    mine.recording = recording;
  } catch (e) {
    if (now === mine) note(e.message, true);
    return;
  } finally {
    mine.starting = false;
  }
  now.recording.lost = stop;
  showLevel(0, 0);
  offer();
  note("Recording.");
  $("record-stop").focus();
}

function showLevel(level, loudest) {
  const elapsed = now.recording?.elapsed() ?? 0;
  $("voice-level").value = Math.sqrt(level) || 0; // ears are no linear scale either
  $("voice-time").textContent = clock(elapsed) + " of " + clock(page.question().expectedSeconds * 1000);
  if (elapsed > 3000 && loudest < silenceLevel) note("Nothing is heard. Is the microphone muted?", true);
  if (elapsed > longest) stop();
}

async function discard() {
  const { recording } = now;
  now.recording = null;
  await recording.discard();
  offer();
  note("Discarded.");
  $("record").focus();
}

async function stop() {
  if (!now.recording) return;
  const { recording } = now;
  now.recording = null;
  try {
    const taken = await recording.stop();
    now = { ...none, ...taken };
  } catch {
    offer();
    return note("The recording is empty. Record again.", true);
  }
  writeDown();
}

async function writeDown() {
  const mine = now;
  mine.asking = new AbortController();
  $("voice-wait-text").textContent = "Writing down " + clock(mine.sound.duration * 1000) + " of speech (" + (mine.wav.size / 1e6).toFixed(1) + " MB)";
  note("");
  offer();
  $("voice-abort").focus();
  let said;
  try {
    said = take(mine, await transcribe(page.question(), mine.wav, mine.asking.signal));
  } catch (e) {
    said = e.name === "AbortError" ? "Cancelled. The recording is still here." : e.message + " The recording is still here.";
  }
  if (now !== mine) return; // another question has been opened
  mine.asking = null;
  offer();
  note(said, !mine.transcript);
  $(mine.transcript ? "answer" : "voice-again").focus();
}

// take puts what was heard into the text field, and returns what to say about it.
function take(mine, reply) {
  if (!reply.transcript.text.trim()) return "No speech was heard. Play the recording to check, or record again.";
  if (now !== mine) return "";
  Object.assign(mine, { transcript: reply.transcript, typed: page.text() });
  page.write(reply.transcript.text);
  $("voice-doubts").replaceChildren(...(reply.doubts ?? []).map(doubt));
  return "This is what was heard. Correct names and numbers, then grade it.";
}

function doubt(d) {
  const what = { LOST: "Speech may be missing here.", LOOP: "The recogniser repeats itself here.", INVENTED: "These words may be invented." };
  return make("li", {}, playButton(d.startMs, d.endMs, playStretch), " ", what[d.kind] ?? "This is doubtful.");
}

function undo() {
  const { typed } = now;
  drop();
  page.write(typed);
  $("answer").focus();
}
