// Grades an answer with types that are generated from the server's OpenAPI: a text, whose stream of events is read and
// whose evidence is marked by its UTF-16 offsets, or a recording, which is uploaded and whose quotes have their times.
//
//   grader serve &
//   npm install && npm start -- "Timers first 👋, then pending callbacks, poll, check and close."
//   npm start -- --audio answer.ogg     # the server needs a recogniser: --speech-url, --speech-model
//
// GRADER_URL is the server's HTTP address, GRADER_SERVER_KEY its key if it wants one. npm run types generates grader.d.ts
// again; elsewhere, from https://your.server/openapi.json.
import { readFile } from "node:fs/promises";
import type { components } from "./grader.d.ts";

type Critique = components["schemas"]["Critique"];
type Event = components["schemas"]["StreamGradeAnswerResponse"] & { error?: components["schemas"]["Error"] };
type Body = components["schemas"]["GraderService.StreamGradeAnswerBody"];

const server = process.env.GRADER_URL ?? "http://127.0.0.1:8080";

export class GraderError extends Error {
  constructor(readonly reason: string, message: string) {
    super(message);
  }
}

function failure(e: components["schemas"]["Error"]): GraderError {
  const info = e.details.find((d) => d["@type"]?.endsWith("google.rpc.ErrorInfo"));
  return new GraderError(String(info?.reason ?? "UNKNOWN"), e.message);
}

async function post(path: string, type: string, body: BodyInit, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { "Content-Type": type };
  if (process.env.GRADER_SERVER_KEY) headers.Authorization = "Bearer " + process.env.GRADER_SERVER_KEY;
  const response = await fetch(server + path, { method: "POST", headers, body, signal });
  if (!response.ok) throw failure(await response.json());
  return response;
}

// gradeAudio uploads a recording and returns its critique. In a browser it is the Blob of a MediaRecorder, with its type.
export async function gradeAudio(question: string, recording: Blob, type: string, signal?: AbortSignal): Promise<Critique> {
  return (await post(`/v1/questions/${question}:gradeAudio`, type, recording, signal)).json();
}

// streamGrade yields the events of one answer.
export async function* streamGrade(question: string, body: Body, signal?: AbortSignal): AsyncGenerator<Event> {
  const response = await post(`/v1/questions/${question}:streamGrade`, "application/json", JSON.stringify(body), signal);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const event = JSON.parse(line) as Event;
      if (event.error) throw failure(event.error);
      yield event;
    }
  }
}

// highlight puts the evidence in brackets, with the number of its point.
export function highlight(text: string, critique: Critique): string {
  const marks = critique.points.flatMap((p, i) => p.evidence.map((e) => ({ at: e.startUtf16, to: e.endUtf16, n: i + 1 })));
  const cuts = [...new Set([0, text.length, ...marks.flatMap((m) => [m.at, m.to])])].sort((a, b) => a - b);
  let out = "";
  for (let i = 0; i + 1 < cuts.length; i++) {
    const on = marks.filter((m) => m.at <= cuts[i] && m.to >= cuts[i + 1]).map((m) => m.n);
    const piece = text.slice(cuts[i], cuts[i + 1]);
    out += on.length ? `[${piece}](${on.join(",")})` : piece;
  }
  return out;
}

// show prints the score, and the answer with its evidence marked.
function show(text: string, critique: Critique): void {
  const { score, mode, state, summary } = critique;
  console.log(score ? `${mode}: between ${score.low} and ${score.high} (${score.band})` : `${state}: ${summary}`);
  console.log(highlight(text, critique));
}

async function typed(text: string): Promise<void> {
  for await (const event of streamGrade("event-loop-phases", { answer: { text }, judge: "AUTO" })) {
    if (event.preliminary) console.log("preliminary:", event.preliminary.summary);
    if (event.point) console.log(event.point.decision.padEnd(12), event.point.statement);
    if (event.critique) show(text, event.critique);
  }
}

async function spoken(file: string): Promise<void> {
  const critique = await gradeAudio("event-loop-phases", new Blob([await readFile(file)]), "application/octet-stream");
  for (const point of critique.points) {
    console.log(point.decision.padEnd(12), point.statement);
    for (const e of point.evidence) {
      if (e.startMs !== undefined) console.log(" ".repeat(12), `at ${(e.startMs / 1000).toFixed(1)} s: "${e.quote}"`);
    }
  }
  show(critique.transcript?.text ?? "", critique);
}

const args = process.argv.slice(2);
try {
  if (args[0] === "--audio") await spoken(args[1]);
  else await typed(args.join(" ") || "Timers first 👋, then pending callbacks, poll, check and close.");
} catch (e) {
  console.error(e instanceof GraderError ? `${e.message} (${e.reason})` : e);
  process.exitCode = 1;
}
