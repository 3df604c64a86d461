// The lists of sagas: by status, the newest, their durations and failures.

import { $, element, long, number, row, status, table, time, words } from "./dom.js";

export const STATUSES = ["started", "in_progress", "completed", "compensating", "compensated", "failed", "compensation_failed", "cancelled"];
let before = null; // the status of each saga as it was shown before, by id

export function showLists(found, chosen) {
  const counts = Object.fromEntries(STATUSES.map((name) => [name, 0]));
  for (const one of found.counts) counts[one.status] += one.sagas;
  $("counts").replaceChildren(...STATUSES.map((name) => element("div", { class: "count", "data-status": name }, element("b", {}, String(counts[name])), status(name))));
  table("durations", [["saga"], ["ended", "number"], ["median, s", "number"], ["95th percentile, s", "number"]],
    found.durations.map((one) => row(words(one.saga_type), number(one.sagas), number(one.p50), number(one.p95))), "No saga has ended in the last day.");
  table("failing", [["saga"], ["step"], ["failures", "number"], ["latest error"]],
    found.failing.map((one) => row(words(one.saga_type), `${one.direction} ${words(one.step)}`, number(one.failures), long(one.example))), "No step has failed in the last day.");
  const focused = document.activeElement?.closest("#sagas tr")?.dataset.id;
  table("sagas", [["started"], ["saga"], ["status"], ["at step"], ["error"]], found.sagas.map((one) => sagaRow(one, chosen)),
    $("status").value ? "No saga has this status." : "No saga has been started yet. Booking a musician starts one.");
  if (focused) $("sagas").querySelector(`[data-id="${focused}"] a`)?.focus({ preventScroll: true });
  announce(found.sagas);
}

/** Return the address of a saga, or of the list alone, with the status that the list is restricted to. */
export function addressOf(id) {
  const parts = new URLSearchParams($("status").value ? { status: $("status").value } : {});
  if (id) parts.set("saga", id);
  return `#${parts}`;
}

function sagaRow(saga, chosen) {
  const link = element("a", { href: addressOf(saga.id), title: saga.id, "aria-current": saga.id === chosen ? "true" : null }, words(saga.saga_type));
  const step = saga.step ? `${words(saga.step)} (${saga.step_number} of ${saga.total_steps})` : "";
  const made = row(time(saga.started_at), link, status(saga.status), step, long(saga.error ?? ""));
  made.classList.add("row");
  made.classList.toggle("chosen", saga.id === chosen);
  made.dataset.id = saga.id;
  made.addEventListener("click", (event) => event.target === link || link.click());
  return made;
}

export function mark(chosen) {
  for (const one of $("sagas").querySelectorAll("tr.row")) {
    one.classList.toggle("chosen", one.dataset.id === chosen);
    const link = one.querySelector("a");
    if (one.dataset.id === chosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** Say what has changed to those who can't see it. */
function announce(sagas) {
  const now = Object.fromEntries(sagas.map((one) => [one.id, one.status]));
  const changes = before === null ? [] : sagas.filter((one) => before[one.id] !== one.status);
  before = now;
  if (changes.length === 0) return;
  const said = changes.slice(0, 3).map((one) => `${words(one.saga_type)}: ${words(one.status)}`);
  $("news").textContent = said.join(". ") + (changes.length > 3 ? `, and ${changes.length - 3} more changes` : "");
}

/** Forget what was shown: the next list is another one, not a change. */
export const forget = () => { before = null; };
