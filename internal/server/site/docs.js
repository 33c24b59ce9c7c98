"use strict";
(async () => {
  const make = (tag, className, text) => {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const curl = document.getElementById("curl");
  curl.textContent = curl.textContent.replace("ORIGIN", location.origin);
  const api = await (await fetch("/openapi.json")).json();
  const refName = (ref) => ref.split("/").pop();
  const typeOf = (s) => {
    if (!s) return "";
    const ref = s.$ref || s.allOf?.[0]?.$ref;
    if (ref) return refName(ref);
    if (s.type === "array") return "list of " + typeOf(s.items);
    return s.type + (s.format ? " (" + s.format + ")" : "");
  };
  const typeCell = (s) => {
    const td = make("td");
    const ref = s?.$ref || s?.allOf?.[0]?.$ref || s?.items?.$ref;
    if (!ref) td.textContent = typeOf(s);
    else {
      const a = make("a", "", typeOf(s));
      a.href = "#" + refName(ref);
      td.append(a);
    }
    return td;
  };
  const table = (head, rows) => {
    const box = make("div", "scroll"), t = make("table"), tr = make("tr");
    head.forEach((h) => { const th = make("th", "", h); th.scope = "col"; tr.append(th); });
    t.append(tr, ...rows);
    box.append(t);
    return box;
  };
  const row = (name, schema, text) => {
    const tr = make("tr"), td = make("td");
    td.append(make("code", "", name));
    tr.append(td, typeCell(schema), make("td", "", text || ""));
    return tr;
  };
  const list = document.getElementById("list");
  const ofPages = (verbs) => Object.values(verbs)[0].tags?.includes("Pages") ? 1 : 0;
  for (const [path, verbs] of Object.entries(api.paths).sort((a, b) => ofPages(a[1]) - ofPages(b[1]))) {
    for (const [verb, op] of Object.entries(verbs)) {
      if (!op.operationId) continue;
      const box = make("section", "op"), h = make("h3");
      h.append(make("span", "verb", verb.toUpperCase()), " " + path);
      box.append(h, make("p", "", op.summary || ""));
      if (op.description) box.append(make("p", "help", op.description));
      const rows = (op.parameters || []).map((p) => row(p.name + (p.in === "path" ? " (path)" : ""), p.schema, p.description));
      const body = op.requestBody?.content["application/json"];
      if (body) rows.push(row("body", body.schema, "JSON, required"));
      if (rows.length) box.append(table(["parameter", "type", "what it is"], rows));
      if (body?.example) box.append(make("pre", "", JSON.stringify(body.example, null, 2)));
      const replies = Object.entries(op.responses).map(([code, r]) => row(code, Object.values(r.content || {})[0]?.schema, r.description));
      box.append(table(["answer", "type", "when"], replies));
      list.append(box);
    }
  }
  const schemas = document.getElementById("schemas");
  for (const [name, s] of Object.entries(api.components.schemas)) {
    const box = make("section", "op"), h = make("h3", "", name);
    h.id = name;
    box.append(h);
    if (s.description) box.append(make("p", "", s.description));
    if (s.enum) box.append(make("p", "", s.enum.join(", ")));
    const rows = Object.entries(s.properties || {}).map(([n, p]) => row(n + (s.required?.includes(n) ? " *" : ""), p, p.description || p.allOf?.[0]?.description));
    if (rows.length) box.append(table(["field", "type", "what it is"], rows));
    schemas.append(box);
  }
  if (location.hash) document.querySelector(CSS.escape ? "#" + CSS.escape(location.hash.slice(1)) : location.hash)?.scrollIntoView();
})();
