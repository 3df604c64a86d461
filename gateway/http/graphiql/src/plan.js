// The panel beside the answer: the plan before an operation has run, and the subgraph requests of its answer
// afterwards. Text from the gateway is put in as text, never as HTML.
"use strict";

const byId = (id) => document.getElementById(id);

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
function milliseconds(number) {
  if (number === null) return "no end";
  return number >= 1000 ? `${(number / 1000).toFixed(2)} s` : `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;
}

const bytes = (number) => (number < 1000 ? `${number} B` : number < 1e6 ? `${(number / 1e3).toFixed(1)} kB` : `${(number / 1e6).toFixed(1)} MB`);

/** Show `note` alone: there is no plan. */
function showNoPlan(note) {
  byId("plan-title").textContent = "Plan";
  byId("plan-note").textContent = note;
  byId("plan-calls").replaceChildren();
  byId("plan-planned").hidden = byId("plan-printed").hidden = true;
}

/** Show the plan of an operation that has not run. */
function showPlanAlone(plan) {
  const fetches = plan.json.stages.flat();
  byId("plan-title").textContent = "Plan";
  byId("plan-note").textContent = `Not run yet. Planned: ${counted(fetches.length, "subgraph request")}.`;
  byId("plan-calls").replaceChildren();
  showFetches(plan, fetches, true);
}

/** Show the subgraph requests of an answer, and its plan below. */
function showCalls(plan) {
  const end = Math.max(1, ...plan.calls.map((call) => call.startMs + (call.durationMs ?? 0)));
  const failed = plan.calls.filter((call) => call.error || call.errors).length;
  const trouble = failed ? `, ${failed} of them with errors` : "";
  byId("plan-title").textContent = "Requests of this answer";
  const traces = new Map((plan.cache ?? []).map((trace) => [trace.fetch, trace]));
  const asked = new Set(plan.calls.map((call) => call.fetch));
  const cached = [...traces.values()].filter((trace) => !asked.has(trace.fetch));
  const saved = cached.length ? ` ${counted(cached.length, "request")} answered from the cache.` : "";
  byId("plan-note").textContent = plan.calls.length
    ? `${counted(plan.calls.length, "subgraph request")} in ${milliseconds(end)}${trouble}.${saved}`
    : `No subgraph was asked for this answer.${saved}`;
  byId("plan-calls").replaceChildren(
    ...cached.map(cachedItem),
    ...plan.calls.map((call) => callItem(call, end, traces.get(call.fetch))),
  );
  showFetches(plan, plan.json.stages.flat(), false);
}

/** A request that was not sent, because all of its values are cached. */
function cachedItem(trace) {
  const item = element("li");
  const head = element("div", undefined, "head");
  head.append(element("b", trace.subgraph), element("span", "cached", "ok"));
  item.append(head, cacheFacts(element("dl"), trace));
  return item;
}

function cacheFacts(facts, trace) {
  const add = (name, value) => facts.append(element("dt", name, "whole"), element("dd", value));
  const all = trace.memory + trace.fetched;
  add("cache", `${trace.memory} of ${counted(all, "value")}${trace.private ? ", for this user only" : ""}`);
  add("lifetime", trace.stored ? milliseconds(trace.lifetime * 1000) : "not stored");
  return facts;
}

function callItem(call, end, trace) {
  const item = element("li");
  const errors = call.error ?? (call.errors ? counted(call.errors, "error") : "ok");
  const head = element("div", undefined, "head");
  head.append(element("b", call.subgraph), element("span", errors, errors === "ok" ? "ok" : "bad"));
  const bar = element("div", undefined, "time");
  const span = element("i", undefined, errors === "ok" ? "ok" : "bad");
  span.style.left = `${(call.startMs / end) * 100}%`;
  span.style.width = `${((call.durationMs ?? 0) / end) * 100}%`;
  bar.append(span);
  bar.setAttribute("aria-hidden", "true");
  const facts = factsOf(call);
  if (trace) cacheFacts(facts, trace);
  item.append(head, bar, facts, operationOf(call));
  return item;
}

function factsOf(call) {
  const facts = element("dl");
  const add = (name, value, className) => facts.append(element("dt", name, className), element("dd", value));
  add("start", milliseconds(call.startMs));
  add("duration", milliseconds(call.durationMs));
  add("sent", bytes(call.requestBytes));
  add("received", call.responseBytes === null ? "nothing" : bytes(call.responseBytes));
  if (call.representations) add("representations", String(call.representations), "whole");
  if (call.status !== null && call.status !== 200) add("HTTP status", String(call.status), "whole");
  return facts;
}

function operationOf(call) {
  const details = element("details");
  const code = element("code", call.operation);
  code.tabIndex = 0;
  details.append(element("summary", "Request"), code);
  return details;
}

function showFetches(plan, fetches, open) {
  byId("plan-text").textContent = plan.text;
  byId("plan-fetches").replaceChildren(...fetches.map(fetchItem));
  byId("plan-planned").hidden = byId("plan-printed").hidden = fetches.length === 0;
  byId("plan-planned").open = open;
}

function fetchItem(fetch) {
  const item = element("li");
  const head = element("div", undefined, "head");
  const when = fetch.after.length ? `fetch ${fetch.id}, after ${fetch.after.join(", ")}` : `fetch ${fetch.id}, at once`;
  head.append(element("b", fetch.subgraph), element("span", when));
  const where = fetch.lookups.map((lookup) => (lookup.path === "(root)" ? "the root" : lookup.path)).join(" and ");
  const code = element("code", fetch.operation);
  code.tabIndex = 0;
  item.append(head, element("div", `for ${where}`, "where"), code);
  return item;
}
