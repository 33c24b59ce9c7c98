// The list of questions, with its search.
import { list } from "./api.js";
import { $, long, make, say } from "./dom.js";

// catalog is what the server has.
export const catalog = { questions: [], banks: [] };

const stages = { SCREEN: "Screening", DEEP_DIVE: "In depth", SYSTEM_DESIGN: "System design" };

// idOf is the id of a question with its bank.
export const idOf = (q) => q.bank + "/" + q.id;

const titled = (text) => text.charAt(0).toUpperCase() + text.slice(1).replaceAll("-", " ");

// about is what a candidate should know of a question beside its prompt.
export const about = (q) => [titled(q.category), stages[q.stage], "about " + long(q.expectedSeconds) + " aloud"].filter(Boolean).join(" · ");

// load fills the catalog.
export async function load() {
  [catalog.questions, catalog.banks] = await Promise.all([list("questions"), list("banks")]);
  const used = new Set(catalog.questions.map((q) => q.stage));
  $("stage").replaceChildren(make("option", { value: "" }, "All stages"), ...Object.keys(stages).filter((s) => used.has(s)).map((s) => make("option", { value: s }, stages[s])));
}

// listQuestions shows those that fit. score returns what a question was graded with last, if it was.
export function listQuestions(score) {
  const found = catalog.questions.filter(fits);
  const several = catalog.banks.length > 1;
  $("list").replaceChildren(...catalog.banks.flatMap((bank) => {
    const mine = found.filter((q) => q.bank === bank.id);
    const categories = [...new Set(mine.map((q) => q.category))];
    const parts = categories.map((c) => category(c, mine.filter((q) => q.category === c), several ? "h3" : "h2", score));
    return several && mine.length ? [make("h2", { className: "bank" }, bank.title), ...parts] : parts;
  }));
  say("found", found.length ? found.length + (found.length === 1 ? " question" : " questions") : "No question fits. Search for something else, or for all stages.");
}

function fits(q) {
  const text = [q.title, q.prompt, q.category.replaceAll("-", " "), q.id, q.bank].join(" ").toLowerCase();
  const wanted = $("search").value.toLowerCase().split(/\s+/);
  const stage = $("stage").value;
  return (!stage || q.stage === stage) && wanted.every((w) => text.includes(w));
}

function category(name, list, heading, score) {
  return make("section", { className: "category" }, make(heading, {}, titled(name)), make("ul", { className: "questions" }, ...list.map((q) => entry(q, score(q)))));
}

function entry(q, score) {
  const facts = [stages[q.stage], long(q.expectedSeconds), score && "last score " + score].filter(Boolean).join(", ");
  return make("li", {}, make("a", { href: "#" + idOf(q) }, make("span", { className: "what" }, q.title), make("span", { className: "about" }, facts)));
}
