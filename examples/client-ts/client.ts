// Grades an answer with types that are generated from the server's OpenAPI, reads the stream, and marks the evidence by
// its UTF-16 offsets:
//
//   grader serve &
//   npm install && npm run types && npm start -- "Timers first 👋, then pending callbacks, poll, check and close."
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

// streamGrade yields the events of one answer.
export async function* streamGrade(question: string, body: Body, signal?: AbortSignal): AsyncGenerator<Event> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (process.env.GRADER_KEY) headers.Authorization = "Bearer " + process.env.GRADER_KEY;
  const response = await fetch(`${server}/v1/questions/${question}:streamGrade`, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!response.ok) throw failure(await response.json());
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

const text = process.argv.slice(2).join(" ") || "Timers first 👋, then pending callbacks, poll, check and close.";
try {
  for await (const event of streamGrade("event-loop-phases", { answer: { text }, judge: "AUTO" })) {
    if (event.preliminary) console.log("preliminary:", event.preliminary.summary);
    if (event.point) console.log(event.point.decision.padEnd(12), event.point.statement);
    if (event.critique) {
      const { score, mode } = event.critique;
      console.log(`${mode}: between ${score?.low} and ${score?.high} (${score?.band})`);
      console.log(highlight(text, event.critique));
    }
  }
} catch (e) {
  console.error(e instanceof GraderError ? `${e.message} (${e.reason})` : e);
  process.exitCode = 1;
}
