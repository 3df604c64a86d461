// One saga: its booking, its money, its timers, its steps, its timeline and the commands that it allows.

import { $, element, facts, number, relative, row, status, table, time, words } from "./dom.js";

const ACTIVE = ["started", "in_progress", "compensating"];

export function showSaga(saga) {
  $("one-title").textContent = words(saga.saga_type);
  const lines = [element("p", {}, status(saga.status), " ", element("code", {}, saga.id))];
  if (saga.error) lines.push(element("p", { class: "bad" }, `${saga.code ? `${saga.code}: ` : ""}${saga.error}`));
  lines.push(element("details", {}, element("summary", {}, "Input"), element("pre", { tabindex: 0 }, JSON.stringify(saga.data, null, 2))));
  const open = $("detail").querySelector("details")?.open ?? false;
  $("detail").replaceChildren(...lines);
  $("detail").querySelector("details").open = open;
  showBooking(saga.booking);
  showTimers(saga);
  table("money", [["what"], ["amount", "number"], ["by step"], ["when"]], saga.money.map(moneyRow), "This saga has moved no money.");
  showSteps(saga);
  showTimeline(saga.attempts);
  for (const button of $("operate").querySelectorAll("button")) button.disabled = !saga.verbs.includes(button.value);
}

const code = (text) => (text ? element("code", {}, String(text)) : null);

function showBooking(booking) {
  const price = booking.price && `${booking.price} ${booking.currency ?? ""}`;
  facts("booking", [
    ["title", booking.title], ["id", code(booking.bookingId)], ["request", code(booking.requestId)],
    ["client", code(booking.clientId)], ["musician", booking.stageName], [booking.stageName ? "musician's id" : "musician", code(booking.musicianUserId ?? booking.musicianId)],
    ["starts", time(booking.startsAt)], ["ends", time(booking.endsAt)], ["place's time zone", booking.timeZone], ["price", price],
  ], "This saga has no booking yet.");
}

function showTimers(saga) {
  const active = ACTIVE.includes(saga.status);
  const later = (text) => (text ? element("span", {}, time(text), " ", element("small", { "data-from": text }, `(${relative(text)})`)) : null);
  const waits = active && Date.parse(saga.wake_at) > Date.now();
  facts("timers", [
    ["started", time(saga.started_at)],
    ["continues", active ? (waits ? later(saga.wake_at) : "now") : null],
    ["gives up", active ? later(saga.deadline_at) ?? "never" : null],
    [saga.status === "compensation_failed" ? "stopped" : "ended", time(saga.completed_at)],
    ["waits for", saga.status === "compensation_failed" ? "an operator's command, below" : null],
  ]);
}

function moneyRow(one) {
  const amount = number(`${one.amount} ${one.currency}`.trim());
  return row(one.undone ? `${one.kind}, then undone` : one.kind, amount, words(one.step), time(one.at));
}

function showSteps(saga) {
  table("steps", [["", "number"], ["step"], ["service"], ["status"], ["attempts", "number"], ["result or error"]], saga.steps.map((step) =>
    row(number(step.number + 1), words(step.name), `${step.service}.${step.operation}`, status(step.status), number(step.attempts),
      element("code", {}, step.error && step.status !== "completed" ? step.error : step.result ? JSON.stringify(step.result) : step.error ?? ""))), "This saga has no steps.");
}

function showTimeline(attempts) {
  const times = attempts.flatMap((one) => [one.started_at, one.ended_at]).filter(Boolean).map(Date.parse);
  const from = Math.min(...times), span = Math.max(Math.max(...times) - from, 1);
  const part = (text, otherwise) => (text ? ((Date.parse(text) - from) / span) * 100 : otherwise);
  $("timeline").replaceChildren(...attempts.map((one) => {
    const left = part(one.started_at, 0);
    const outcome = one.ended_at ? one.outcome : "under way";
    const bar = element("i", { class: `${one.direction} ${one.ended_at ? one.outcome : "open"}` });
    bar.style.left = `${Math.min(left, 99)}%`;
    bar.style.width = `${Math.max(part(one.ended_at, 100) - left, 0)}%`;
    const what = one.step ? `${one.direction} ${words(one.step)} (attempt ${one.number}): ${outcome}` : `operator ${one.by}: ${one.direction} (${one.error})`;
    const error = one.step && one.error ? element("span", { class: "bad" }, one.error) : null;
    return element("li", {}, element("span", {}, time(one.started_at), ` ${what} `, error), element("div", { class: "bar", "aria-hidden": "true" }, bar));
  }));
  if (attempts.length === 0) $("timeline").append(element("li", { class: "empty" }, "No step has been tried yet."));
}
