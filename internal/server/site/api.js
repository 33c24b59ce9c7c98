// The calls of the API that the page makes.
import { long } from "./dom.js";

const access = { key: "" };

// useKey sends this key from now on.
export function useKey(key) { access.key = key; }

// Failure is a call that did not work, with a message for a person. status is 0 where nothing answered; wait is the
// number of seconds after which it may be tried again, 0 where nobody said.
export class Failure extends Error {
  constructor(message, status = 0, wait = 0) {
    super(message);
    Object.assign(this, { status, wait });
  }
}

async function call(path, options = {}) {
  const headers = { ...options.headers, ...(access.key && { Authorization: "Bearer " + access.key }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Failure("The server does not answer. Is it still running, and are you online?");
  }
  if (!response.ok) throw await failure(response);
  return response;
}

async function failure(response) {
  let body = {};
  try { body = await response.json(); } catch { /* some proxy's page */ }
  const wait = Number(response.headers.get("Retry-After")) || 0;
  const message = sentence((body.message || "the server answered with status " + response.status).replace(/; wait as .*/, ""));
  return new Failure(message + (wait ? " You can try again in " + long(wait) + "." : ""), response.status, wait);
}

// sentence makes one of an error's message.
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

// list reads all pages of a list: of the questions, without their rubrics, or of the banks.
export async function list(name) {
  const all = [];
  let token = "";
  do {
    const page = await (await call("/v1/" + name + "?pageSize=200&pageToken=" + encodeURIComponent(token))).json();
    all.push(...page[name]);
    token = page.nextPageToken;
  } while (token);
  return all;
}

const pathOf = (question) => "/v1/banks/" + question.bank + "/questions/" + question.id;

// transcribe writes a recording down.
export async function transcribe(question, recording, signal) {
  const response = await call(pathOf(question) + ":transcribe", { method: "POST", headers: { "Content-Type": recording.type }, body: recording, signal });
  return response.json();
}

// grade yields the events of one grading as they come. It fails where the stream ends before its last event.
export async function* grade(question, body, signal) {
  const response = await call(pathOf(question) + ":streamGrade", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
  let whole = false;
  try {
    for await (const line of lines(response.body)) {
      const event = JSON.parse(line);
      if (event.error) throw new Failure(sentence(event.error.message));
      whole = Boolean(event.critique);
      yield event;
    }
  } catch (e) {
    if (e.name === "AbortError" || e instanceof Failure) throw e;
    whole = false;
  }
  if (!whole) throw new Failure("The connection broke before the end.");
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.filter(Boolean);
  }
  if (rest) yield rest;
}
