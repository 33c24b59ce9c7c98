"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const words = {
    MET: "Met", PARTIAL: "Partly met", MISSED: "Not found", CONTRADICTED: "Said the other way round", UNKNOWN: "Undecided",
    GRADED: "", DEGRADED: "The judge failed, so keywords decided alone.", UNGRADABLE: "This could not be graded.",
    LOW_COVERAGE: "Too many points are undecided for one figure; read the range.",
    JUDGE_UNAVAILABLE: "The judge could not be reached.", JUDGE_TIMEOUT: "The judge took too long.", JUDGE_RATE_LIMITED: "The judge has too much to do.",
    JUDGE_REFUSED: "The judge refused.", JUDGE_REPLY_INVALID: "The judge's reply could not be used.", JUDGE_BUDGET_SPENT: "The budget for the judge is spent.",
    INJECTION_SUSPECTED: "Part of the text speaks to the grader; it was taken out.", KEYWORD_DUMP: "This is a list of terms, not an answer.",
    OFF_TOPIC: "This is about something else.", ECHO: "This repeats the question.", UNVERIFIED_QUOTE: "The judge quoted words that are not in the text; that verdict was not believed.",
    LOW_TRANSCRIPT_QUALITY: "The transcript looks unsure in places.",
  };
  const state = { questions: [], key: "", running: null, sent: "" };

  const headers = (more) => ({ ...(state.key ? { Authorization: "Bearer " + state.key } : {}), ...more });

  async function explain(response) {
    let body = null;
    try { body = await response.json(); } catch { /* no JSON */ }
    if (response.status === 401) $("key-row").hidden = false;
    const wait = response.headers.get("Retry-After");
    return (body?.message || "The server answered " + response.status + ".") + (wait ? " Try again in " + wait + " seconds." : "");
  }

  async function loadQuestions() {
    const all = [];
    let token = "";
    do {
      const r = await fetch("/v1/questions?pageSize=200&pageToken=" + encodeURIComponent(token), { headers: headers({}) });
      if (!r.ok) throw new Error(await explain(r));
      const page = await r.json();
      all.push(...page.questions);
      token = page.nextPageToken;
    } while (token);
    state.questions = all;
    const select = $("question");
    select.replaceChildren();
    const groups = new Map();
    for (const q of all) {
      const name = q.bank + ": " + q.category;
      if (!groups.has(name)) {
        const g = make("optgroup");
        g.label = name;
        groups.set(name, g);
        select.append(g);
      }
      const o = make("option", "", q.number + ". " + q.title);
      o.value = q.bank + "/" + q.id;
      groups.get(name).append(o);
    }
    const wanted = location.hash.slice(1);
    if (all.some((q) => q.bank + "/" + q.id === wanted)) select.value = wanted;
    showPrompt();
  }

  const chosen = () => state.questions.find((q) => q.bank + "/" + q.id === $("question").value);

  function showPrompt() {
    const q = chosen();
    $("prompt").textContent = q ? q.prompt : "";
  }

  function problem(text) { $("problem").textContent = text; }
  function status(text) { $("status").textContent = text; }

  async function grade() {
    const q = chosen();
    if (!q) return problem("Choose a question first.");
    if (state.running) state.running.abort();
    const run = new AbortController();
    state.running = run;
    problem("");
    status("Sending the answer.");
    $("send").disabled = true;
    $("stop").hidden = false;
    state.sent = $("answer").value;
    const started = performance.now();
    try {
      const url = "/v1/banks/" + q.bank + "/questions/" + q.id + ":streamGrade";
      const body = { answer: { text: state.sent, modality: $("spoken").checked ? "SPOKEN" : "TYPED" }, judge: $("judge").checked ? "AUTO" : "OFF" };
      const r = await fetch(url, { method: "POST", headers: headers({ "Content-Type": "application/json" }), body: JSON.stringify(body), signal: run.signal });
      if (!r.ok) throw new Error(await explain(r));
      await read(r.body, (event) => take(event, started));
    } catch (e) {
      if (e.name === "AbortError") status("Stopped.");
      else { status(""); problem(e.message); }
    } finally {
      if (state.running === run) {
        state.running = null;
        $("send").disabled = false;
        $("stop").hidden = true;
      }
    }
  }

  // read takes a stream of JSON lines apart.
  async function read(body, each) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const line of parts) if (line.trim()) each(JSON.parse(line));
    }
    if (rest.trim()) each(JSON.parse(rest));
  }

  function take(event, started) {
    const took = ((performance.now() - started) / 1000).toFixed(2);
    if (event.error) throw new Error(event.error.message);
    if (event.preliminary) {
      show(event.preliminary, "Preliminary: by keywords");
      status("Preliminary result after " + took + " seconds. Waiting for the rest.");
    } else if (event.point) {
      const at = $("p-" + event.point.id);
      if (at) at.replaceWith(pointCard(event.point, at.dataset.number));
    } else if (event.critique) {
      const c = event.critique;
      show(c, c.mode === "JUDGE" ? "Judged by " + (c.receipt.judgeModel || "the judge") : "By keywords: claims in other words can be missed");
      status((c.state === "UNGRADABLE" ? "Not graded. " : "Done: " + figure(c) + ". ") + "After " + took + " seconds.");
    }
  }

  function figure(c) {
    if (!c.score) return "no score";
    const s = c.score;
    return s.value === undefined ? s.low + " to " + s.high : String(s.value);
  }

  function show(c, stage) {
    $("result").hidden = false;
    $("stage").textContent = stage;
    showScore(c);
    $("summary").textContent = c.summary;
    $("notes").replaceChildren(...[c.state, ...c.reasons, ...c.flags].map((v) => words[v]).filter(Boolean).map((t) => make("li", "", t)));
    showText(c);
    $("points").replaceChildren(...c.points.map((p, i) => pointCard(p, i + 1)));
    fill("wrong", c.misconceptions, (m) => {
      const li = make("li", "wrong");
      li.append(...m.evidence.map((e) => make("blockquote", "", e.quote)), make("p", "", m.correction));
      return li;
    });
    fill("habits", c.habits, (h) => make("li", "", h.advice));
    fill("steps", c.nextSteps, (s) => make("li", "", s.text + (s.gain > 0 ? " (up to " + s.gain + " points more)" : "")));
    $("follow-box").hidden = !c.followUp;
    $("follow").textContent = c.followUp;
    $("json").textContent = JSON.stringify(c, null, 2);
  }

  function fill(id, list, card) {
    $(id + "-box").hidden = list.length === 0;
    $(id).replaceChildren(...list.map(card));
  }

  function showScore(c) {
    $("score-box").hidden = !c.score;
    if (!c.score) return;
    const s = c.score;
    $("score").textContent = figure(c) + (s.value === undefined ? "" : " of 100");
    $("band").textContent = (c.mode === "KEYWORDS" ? "at least " : "") + s.band;
    $("range-span").style.left = s.low + "%";
    $("range-span").style.width = Math.max(0, s.high - s.low) + "%";
    $("range-at").hidden = s.value === undefined;
    $("range-at").style.left = (s.value ?? s.low) + "%";
    const text = "Between " + s.low + " and " + s.high + ": what is undecided could still count.";
    $("range").setAttribute("aria-label", text);
    $("range-text").textContent = s.low === s.high ? "Every point is decided." : text;
  }

  function pointCard(p, number) {
    const li = make("li", p.decision.toLowerCase());
    li.id = "p-" + p.id;
    li.dataset.number = number;
    const head = make("p", "head");
    head.append(make("span", "what", number + ". " + words[p.decision]), make("span", "meta", "weight " + p.weight + ", " + p.kind.toLowerCase().replaceAll("_", " ")));
    li.append(head, make("p", "", p.statement));
    for (const e of p.evidence) li.append(make("blockquote", "", e.quote + (e.heardAs ? " (heard as " + e.heardAs + ")" : "")));
    if (p.missing.length) li.append(make("p", "reason", "Missing: " + p.missing.join("; ")));
    if (p.reason) li.append(make("p", "reason", p.reason));
    const light = (on) => document.querySelectorAll("mark").forEach((m) => m.classList.toggle("lit", on && m.dataset.of.split(" ").includes(p.id)));
    li.addEventListener("mouseenter", () => light(true));
    li.addEventListener("mouseleave", () => light(false));
    return li;
  }

  // showText marks the evidence in the text. Offsets are in UTF-16 code units, as JavaScript counts.
  function showText(c) {
    const text = c.transcript?.text ?? state.sent;
    const spans = [];
    c.points.forEach((p, i) => p.evidence.forEach((e) => spans.push({ from: e.startUtf16, to: e.endUtf16, id: p.id, n: i + 1, kind: p.decision.toLowerCase(), label: words[p.decision] })));
    c.misconceptions.forEach((m) => m.evidence.forEach((e) => spans.push({ from: e.startUtf16, to: e.endUtf16, id: m.id, n: "", kind: "wrong", label: "Said wrongly" })));
    const cuts = [...new Set([0, text.length, ...spans.flatMap((s) => [s.from, s.to])])].sort((a, b) => a - b);
    const out = [];
    for (let i = 0; i + 1 < cuts.length; i++) {
      const [from, to] = [cuts[i], cuts[i + 1]];
      const on = spans.filter((s) => s.from <= from && s.to >= to);
      const piece = text.slice(from, to);
      if (!on.length) { out.push(document.createTextNode(piece)); continue; }
      const worst = on.find((s) => s.kind === "wrong" || s.kind === "contradicted") || on.find((s) => s.kind === "partial") || on[0];
      const mark = make("mark", worst.kind, piece);
      mark.dataset.of = on.map((s) => s.id).join(" ");
      mark.title = on.map((s) => (s.n ? s.n + ". " : "") + s.label).join(", ");
      out.push(mark);
      for (const s of spans.filter((s) => s.to === to && s.n)) {
        const sup = make("sup"), a = make("a", "", String(s.n));
        a.href = "#p-" + s.id;
        a.setAttribute("aria-label", "Point " + s.n + ": " + s.label);
        sup.append(a);
        out.push(sup);
      }
    }
    $("text").replaceChildren(...(out.length ? out : [make("span", "help", "(nothing)")]));
  }

  $("form").addEventListener("submit", (e) => { e.preventDefault(); grade(); });
  $("stop").addEventListener("click", () => state.running?.abort());
  $("question").addEventListener("change", () => { showPrompt(); history.replaceState(null, "", "#" + $("question").value); });
  $("answer").addEventListener("input", () => { $("count").textContent = (($("answer").value.match(/\S+/g) || []).length) + " words"; });
  $("answer").addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); grade(); } });
  const useKey = () => { state.key = $("key").value.trim(); problem(""); loadQuestions().catch((e) => problem(e.message)); };
  $("key-use").addEventListener("click", useKey);
  $("key").addEventListener("keydown", (e) => { if (e.key === "Enter") { e.preventDefault(); useKey(); } });
  loadQuestions().catch((e) => problem(e.message));
})();
