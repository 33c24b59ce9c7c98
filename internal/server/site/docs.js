// The API page, made of the OpenAPI document.
import { $, make, say } from "./dom.js";

const code = (text) => make("code", {}, text);
const nameOf = (ref) => ref.split("/").pop();
const idOf = (name) => "object-" + name;

// refOf is the reference in a schema, if it is one or a list of them.
const refOf = (s) => s?.$ref ?? s?.allOf?.[0]?.$ref ?? s?.items?.$ref;

function type(s) {
  if (!s) return make("span");
  const list = s.type === "array" ? "list of " : "";
  const ref = refOf(s);
  if (ref) return make("span", {}, list, make("a", { href: "#" + idOf(nameOf(ref)) }, nameOf(ref)));
  const one = s.items ?? s;
  return make("span", {}, list + one.type + (one.format ? " (" + one.format + ")" : ""));
}

// table has a heading for each column; a row is a list of cells.
function table(label, headings, rows) {
  const head = make("tr", {}, ...headings.map((h) => make("th", { scope: "col" }, h)));
  const body = rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), ...rest.map((c) => make("td", {}, c))));
  return make("div", { className: "scroll", tabIndex: 0, role: "group", ariaLabel: label }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

// prose splits a description into paragraphs, and the values of an enum that stand in it into a list.
function prose(description = "") {
  const [text, ...values] = description.split(/^ - (?=[A-Z0-9_]+: )/m);
  const out = text.split(/\n\n+/).filter((p) => p.trim()).map((p) => make("p", {}, p.replaceAll("\n", " ")));
  const said = values.map((v) => v.split(/: ([^]*)/)).filter(([name]) => name !== "UNSPECIFIED" );
  if (said.length) out.push(make("dl", { className: "values" }, ...said.flatMap(([name, what]) => [make("dt", {}, code(name)), make("dd", {}, what.replaceAll("\n", " ").trim())])));
  return out;
}

const json = (label, value) => make("pre", { tabIndex: 0, role: "group", ariaLabel: label }, JSON.stringify(value, null, 2));

// operations joins the paths of one operation: with the bank in the path, and without.
function operations(api) {
  const found = new Map();
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const [verb, op] of Object.entries(verbs)) {
      const name = op.operationId.replace(/\d+$/, "");
      const same = found.get(name);
      if (!same || path.length < same.path.length) found.set(name, { ...op, name, verb: verb.toUpperCase(), path, also: same?.path });
      else same.also = path;
    }
  }
  return [...found.values()];
}

function operation(op) {
  const box = make("section", { className: "panel op", id: op.name, tabIndex: -1 });
  box.append(make("h3", {}, make("span", { className: "verb" }, op.verb), " " + op.path), ...prose(op.summary), ...prose(op.description));
  if (op.also) box.append(make("p", { className: "help" }, "Also at ", code(op.also), "."));
  const parameters = (op.parameters ?? []).map((p) => [code(p.name), p.in, type(p.schema), make("div", {}, ...prose(p.description))]);
  if (parameters.length) box.append(make("h4", {}, "Parameters"), table("Parameters of " + op.name, ["Name", "In", "Type", "What it is"], parameters));
  if (op.requestBody) box.append(...body(op.requestBody));
  const all = Object.entries(op.responses);
  const good = all.filter(([status]) => status < 400).map(([status, r]) => [code(status), ...answer(r)]);
  box.append(make("h4", {}, "Replies"), table("Replies of " + op.name, ["Status", "Type", "When"], good));
  const bad = all.map(([status]) => status).filter((s) => s >= 400);
  if (bad.length) box.append(make("p", { className: "help" }, make("a", { href: "#errors" }, "Errors"), ": " + bad.join(", ") + "."));
  return box;
}

// contents names the media types and what they hold.
function contents(content = {}) {
  const what = make("span");
  Object.entries(content).forEach(([media, c], i) => what.append(i ? ", " : "", code(media), " ", type(c.schema)));
  return what;
}

function body(b) {
  const example = Object.values(b.content).find((c) => c.example)?.example;
  return [make("h4", {}, "Body"), make("p", {}, contents(b.content)), ...prose(b.description), ...(example ? [json("Example of a body", example)] : [])];
}

const answer = (r) => [contents(r.content), r.description.replaceAll("\n", " ")];

function object([name, s]) {
  const box = make("section", { className: "panel op", id: idOf(name), tabIndex: -1 }, make("h3", {}, name), ...prose(s.description));
  const fields = Object.entries(s.properties ?? {}).map(([field, p]) => {
    const needed = s.required?.includes(field) && make("span", { className: "help" }, " required");
    return [make("span", {}, code(field), needed), type(p), (p.description ?? p.allOf?.[0]?.description ?? "").replaceAll("\n", " ")];
  });
  if (fields.length) box.append(table("Fields of " + name, ["Field", "Type", "What it is"], fields));
  else if (s.enum && !box.querySelector("dl")) box.append(make("p", {}, s.enum.join(", ")));
  return box;
}

// sections are the operations by their tag; those of the API come before its pages.
function sections(api) {
  const all = operations(api);
  const tags = [...new Set(all.map((op) => op.tags[0]))].sort((a, b) => (a === "Pages") - (b === "Pages"));
  const verbs = ["POST", "GET"];
  return tags.map((tag) => {
    const mine = all.filter((op) => op.tags[0] === tag).sort((a, b) => verbs.indexOf(a.verb) - verbs.indexOf(b.verb));
    return { title: tag === "Pages" ? "Pages" : "Calls", list: mine };
  });
}

function writeIndex(groups, schemas) {
  const part = (title, links) => make("details", {}, make("summary", {}, title), make("ul", {}, ...links.map(([href, text]) => make("li", {}, make("a", { href: "#" + href }, text)))));
  $("index").append(...groups.map((g) => part(g.title, g.list.map((op) => [op.name, op.name]))), part("Errors", [["errors", "Statuses and reasons"]]), part("Objects", Object.keys(schemas).sort().map((n) => [idOf(n), n])));
  const wide = matchMedia("(min-width: 60rem)"); // beside the text, not above it
  const unfold = () => $("index").querySelectorAll("details").forEach((d) => { d.open = wide.matches; });
  wide.addEventListener("change", unfold);
  unfold();
}

function write(api) {
  const { schemas, responses } = api.components;
  const groups = sections(api);
  writeIndex(groups, schemas);
  $("operations").append(...groups.map((g) => make("section", {}, make("h2", {}, g.title), ...g.list.map(operation))));
  const errors = Object.entries(responses).filter(([name]) => /\d/.test(name)).map(([name, r]) => [code(name.replace("Error", "")), r.description.replace("Reasons: ", "").replaceAll(",", "").replace(/\.$/, "").split(" ").map((w) => w + " ").join("")]);
  $("errors").append(table("Errors", ["Status", "Reasons"], errors), json("Example of an error", responses.Error400.content["application/json"].example));
  $("errors").hidden = false;
  $("schemas").append(make("h2", {}, "Objects"), ...Object.entries(schemas).sort(([a], [b]) => a.localeCompare(b)).map(object));
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

for (const e of document.querySelectorAll(".origin")) e.textContent = location.origin;
try {
  write(await (await fetch("/openapi.json")).json());
} catch {
  say("problem", "The description of the API could not be loaded. Reload the page to try again.");
}
