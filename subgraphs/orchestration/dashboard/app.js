// The dashboard: the token, the address, the stream of changes, and the commands. `list` and `saga` show them.
//
// The address names what is shown: #saga=ID&status=failed. The token is in no address and no storage.

import { $, element, refreshTimes, words } from "./dom.js";
import { STATUSES, addressOf, forget, mark, showLists } from "./list.js";
import { showSaga } from "./saga.js";

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const RETRY = 1000; // milliseconds between two attempts to connect
let token = "", stream = null, last = null;

const address = () => new URLSearchParams(location.hash.slice(1));
const chosen = () => address().get("saga");

function problem(text) {
  if ($("problem").textContent === text) return;
  $("problem").hidden = !text;
  $("problem").textContent = text;
}

function live(on) {
  const text = on ? "live" : token ? "not connected, trying again" : "not connected";
  if ($("live").textContent !== text) $("live").textContent = text;
  $("live").className = on ? "on" : "off";
}

function refused(error) {
  token = "";
  live(false);
  $("token").setAttribute("aria-invalid", "true");
  const advice = error.code === "UNAUTHENTICATED" ? " Paste a new token above." : "";
  problem(`${error.message}.${advice}`);
  $("token").value = "";
  $("token").focus();
}

/** Read changes until another stream begins; connect again when the connection is lost. */
async function listen() {
  stream?.abort();
  if (!token) return;
  const mine = (stream = new AbortController());
  while (!mine.signal.aborted) {
    try {
      const query = new URLSearchParams({ status: $("status").value, saga: ID.test(chosen()) ? chosen() : "" });
      const answer = await fetch(`api/events?${query}`, { headers: { authorization: `Bearer ${token}` }, signal: mine.signal });
      if (answer.status === 401 || answer.status === 403) return refused(await answer.json());
      if (!answer.ok) throw new Error((await answer.json()).message);
      begin();
      if (await read(answer.body.pipeThrough(new TextDecoderStream()).getReader())) return;
    } catch {
      if (mine.signal.aborted) return;
    }
    live(false);
    problem("The orchestration service does not reply. What you see may be old; this page connects again by itself.");
    await new Promise((again) => setTimeout(again, RETRY));
  }
}

function begin() {
  problem("");
  live(true);
  $("token").removeAttribute("aria-invalid");
  $("welcome").hidden = true;
  document.querySelector("main").hidden = false;
}

/** Show each event of a stream. Return whether the stream has ended because the token is refused. */
async function read(reader) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
      if (event.startsWith("event: refused")) return refused(JSON.parse(data)) ?? true;
      if (data) show(JSON.parse(data));
    }
  }
}

function show(found) {
  showLists(found, chosen());
  showChosen(found.chosen);
}

function showChosen(saga) {
  const wanted = chosen();
  const opened = wanted !== null && last !== wanted;
  if (wanted && !saga) {
    $("one").hidden = true;
    problem(`There is no saga with the id ${wanted}: check the address.`);
    return;
  }
  $("one").hidden = !saga;
  document.title = saga ? `${words(saga.saga_type)} · Sagas · MussikOn` : "Sagas · MussikOn";
  if (!saga || saga.id !== wanted) return;
  last = wanted;
  showSaga(saga);
  if (opened) {
    $("one").scrollIntoView({ block: "start" });
    $("one-title").focus({ preventScroll: true });
  }
}

/** Follow the address: a link, the back button, or a shared address. */
function follow() {
  const status = address().get("status") ?? "";
  if ($("status").value !== status) {
    $("status").value = STATUSES.includes(status) ? status : "";
    forget();
  }
  mark(chosen());
  $("back").href = addressOf(null);
  if (chosen() === null) leave();
  listen();
}

function leave() {
  const row = last && $("sagas").querySelector(`[data-id="${last}"]`);
  last = null;
  $("one").hidden = true;
  problem("");
  row?.scrollIntoView({ block: "center" });
  row?.querySelector("a").focus({ preventScroll: true });
}

async function operate(event) {
  event.preventDefault();
  const verb = event.submitter.value;
  try {
    const answer = await fetch(`api/sagas/${chosen()}/${verb}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ reason: $("reason").value }),
    });
    const found = await answer.json();
    if (answer.status === 401) refused(found);
    else problem(answer.ok ? "" : found.message);
    if (!answer.ok) return;
    $("reason").value = "";
    showSaga(found);
  } catch {
    problem("The orchestration service does not reply; the command may or may not have been executed.");
  }
}

$("status").append(element("option", { value: "" }, "all"), ...STATUSES.map((name) => element("option", { value: name }, words(name))));
$("status").addEventListener("change", () => {
  location.hash = addressOf(chosen());
  forget();
});
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim().replace(/^bearer\s+/i, "");
  if (/^[\x21-\x7e]+$/.test(token)) listen();
  else refused({ message: "This is not a token: it has characters that no token has" });
});
$("operate").addEventListener("submit", operate);
addEventListener("hashchange", follow);
setInterval(refreshTimes, 10_000);
follow();
