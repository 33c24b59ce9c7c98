// The answer with the evidence marked in it.
import { $, make } from "./dom.js";

// strength orders the marks: where several lie over one another, the first one's colour shows.
const strength = ["wrong", "contradicted", "partial", "met", "habit"];

// pieces cuts a text at every end of a span. Each piece knows the spans that cover it; offsets are UTF-16 code units, as
// JavaScript counts.
export function pieces(text, spans) {
  const inside = (n) => Math.min(Math.max(n, 0), text.length);
  const cuts = [...new Set([0, text.length, ...spans.flatMap((s) => [inside(s.from), inside(s.to)])])].sort((a, b) => a - b);
  return cuts.slice(1).map((to, i) => {
    const from = cuts[i];
    return { from, to, text: text.slice(from, to), spans: spans.filter((s) => s.from <= from && s.to >= to) };
  });
}

// idle are the stretches of the sentences that earned nothing or were taken out. The API counts these in code points.
export function idle(text, sentences) {
  const at = [];
  let units = 0;
  for (const c of text) { at.push(units); units += c.length; }
  at.push(units);
  const kinds = { REMOVED: "removed", UNMAPPED: "idle", FILLER: "idle" };
  return sentences.filter((s) => kinds[s.role]).map((s) => ({ from: at[s.start], to: at[s.end], kind: kinds[s.role] }));
}

// showText writes the answer with its marks. A span has from, to, kind, number, label and the id of its card.
export function showText(text, spans, sentences) {
  const all = [...spans, ...idle(text, sentences)];
  $("text").replaceChildren(...pieces(text, all).flatMap((p) => render(p, spans)));
  if (!text.trim()) $("text").replaceChildren(make("span", { className: "help" }, "Nothing was said."));
}

function render(piece, spans) {
  const on = piece.spans.filter((s) => s.number);
  const back = piece.spans.find((s) => !s.number);
  if (!on.length) return back ? [make("span", { className: back.kind }, piece.text)] : [piece.text];
  const kind = strength.find((k) => on.some((s) => s.kind === k));
  const mark = make("mark", { className: kind }, piece.text);
  mark.dataset.spans = on.map((s) => spans.indexOf(s)).join(" ");
  mark.title = on.map((s) => s.number + ": " + s.label).join("\n");
  const ends = on.filter((s, i) => s.to === piece.to && on.findIndex((o) => o.card === s.card && o.to === s.to) === i);
  return [mark, ...ends.map((s) => reference(s, spans.indexOf(s)))];
}

function reference(span, index) {
  const a = make("a", { href: "#" + span.card, className: "ref " + span.kind }, span.number);
  a.setAttribute("aria-label", span.label + ", number " + span.number);
  a.dataset.spans = index;
  return make("sup", {}, a);
}

// light emphasises the marks of these spans, and the card that they belong to; nothing of it without them.
export function light(indexes) {
  const on = new Set(indexes.map(String));
  for (const e of document.querySelectorAll("[data-spans]")) {
    e.classList.toggle("lit", e.dataset.spans.split(" ").some((s) => on.has(s)));
  }
}
