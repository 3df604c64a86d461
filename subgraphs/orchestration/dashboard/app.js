// The dashboard. Text from the server is put in as text, never as HTML.

const $ = (id) => document.getElementById(id);
const STATUSES = ["started", "in_progress", "completed", "compensating", "compensated", "failed", "compensation_failed", "cancelled"];
const ALLOWED = {
  retry: ["started", "in_progress", "compensating", "compensation_failed"],
  skip: ["in_progress", "compensation_failed"],
  compensate: ["started", "in_progress", "completed", "compensation_failed"],
  cancel: ["started", "in_progress"],
};
let token = "", chosen = null, stream = null;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children.map((child) => (child === null || child === undefined ? "" : child)));
  return made;
}

const status = (name) => element("span", { class: `status ${name}` }, name.replaceAll("_", " "));
const time = (text) => (text ? new Date(text).toLocaleTimeString() : "");

function table(id, heads, rows) {
  const head = element("tr", {}, ...heads.map(([name, kind]) => element("th", { class: kind ?? null, scope: "col" }, name)));
  const body = rows.length ? rows : [element("tr", {}, element("td", { colspan: heads.length }, "nothing yet"))];
  $(id).replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

const row = (...cells) => element("tr", {}, ...cells.map((cell) => (cell instanceof HTMLTableCellElement ? cell : element("td", {}, cell))));
const number = (value) => element("td", { class: "number" }, String(value));

function show(found) {
  const counts = Object.fromEntries(STATUSES.map((name) => [name, 0]));
  for (const one of found.counts) counts[one.status] += one.sagas;
  $("counts").replaceChildren(...STATUSES.map((name) => element("div", { class: "count", "data-status": name }, element("b", {}, String(counts[name])), status(name))));
  table("durations", [["saga"], ["ended", "number"], ["median", "number"], ["95th", "number"]],
    found.durations.map((one) => row(one.saga_type, number(one.sagas), number(one.p50), number(one.p95))));
  table("failing", [["saga"], ["step"], ["failures", "number"], ["for example"]],
    found.failing.map((one) => row(one.saga_type, `${one.direction} ${one.step}`, number(one.failures), one.example)));
  table("sagas", [["started"], ["saga"], ["status"], ["at step"], ["error"]], found.sagas.map((one) => {
    const made = row(time(one.started_at), one.saga_type, status(one.status), at(one), one.error ?? "");
    made.classList.add("row");
    made.classList.toggle("chosen", one.id === chosen);
    made.dataset.id = one.id;
    made.tabIndex = 0;
    const open = () => { chosen = one.id; detail(one); for (const other of $("sagas").querySelectorAll("tr")) other.classList.toggle("chosen", other === made); };
    made.addEventListener("click", open);
    made.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
    return made;
  }));
  const now = found.sagas.find((one) => one.id === chosen);
  if (now) detail(now);
}

function at(saga) {
  const touched = saga.steps.filter((step) => step.status !== "pending");
  return touched.length ? `${touched.at(-1).name} (${touched.at(-1).number + 1} of ${saga.steps.length})` : "";
}

function detail(saga) {
  $("one").hidden = false;
  $("detail").replaceChildren(element("p", {}, status(saga.status), ` ${saga.saga_type} `, element("code", {}, saga.id)),
    element("p", {}, "input ", element("code", {}, JSON.stringify(saga.data))), ...(saga.error ? [element("p", { class: "failed" }, `${saga.code}: ${saga.error}`)] : []));
  table("steps", [["", "number"], ["step"], ["service"], ["status"], ["attempts", "number"], ["result or error"]], saga.steps.map((step) =>
    row(number(step.number + 1), step.name, `${step.service}.${step.operation}`, status(step.status), number(step.attempts),
      element("code", {}, step.result ? JSON.stringify(step.result) : step.error ?? ""))));
  const times = saga.attempts.flatMap((one) => [one.started_at, one.ended_at]).filter(Boolean).map(Date.parse);
  const from = Math.min(...times), span = Math.max(Math.max(...times) - from, 1);
  $("timeline").replaceChildren(...saga.attempts.map((one) => {
    const left = (Date.parse(one.started_at) - from) / span * 100, right = ((one.ended_at ? Date.parse(one.ended_at) : from + span) - from) / span * 100;
    const bar = element("i", { class: `${one.direction} ${one.ended_at ? one.outcome : "open"}`, title: one.error ?? one.outcome ?? "under way" });
    bar.style.left = `${left}%`;
    bar.style.width = `${Math.max(right - left, 0)}%`;
    const what = one.step ? `${one.direction} ${one.step} (${one.number})` : `operator ${one.by}: ${one.direction} (${one.error})`;
    return element("li", {}, element("span", {}, `${time(one.started_at)} ${what}`), element("div", { class: "bar" }, bar));
  }));
  for (const button of $("operate").querySelectorAll("button")) button.disabled = !ALLOWED[button.value].includes(saga.status);
}

function problem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text;
}

function live(on) {
  $("live").textContent = on ? "live" : "not connected";
  $("live").className = on ? "on" : "off";
}

async function listen() {
  stream?.abort();
  const mine = stream = new AbortController();
  while (!mine.signal.aborted) {
    try {
      const answer = await fetch(`api/events?status=${$("status").value}`, { headers: { authorization: `Bearer ${token}` }, signal: mine.signal });
      if (!answer.ok) {
        problem((await answer.json()).message);
        return;
      }
      problem("");
      live(true);
      document.querySelector("main").hidden = false;
      await read(answer.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch (error) {
      if (mine.signal.aborted) return;
    }
    live(false);
    await new Promise((again) => setTimeout(again, 1000));
  }
}

async function read(reader) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) show(JSON.parse(data.slice(6)));
    }
  }
}

$("status").append(element("option", { value: "" }, "all"), ...STATUSES.map((name) => element("option", { value: name }, name.replaceAll("_", " "))));
$("status").addEventListener("change", listen);
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  listen();
});
$("operate").addEventListener("submit", async (event) => {
  event.preventDefault();
  const verb = event.submitter.value;
  const answer = await fetch(`api/sagas/${chosen}/${verb}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: $("reason").value }),
  });
  const found = await answer.json();
  problem(answer.ok ? "" : found.message);
  if (answer.ok) detail(found);
});
