// On a narrow page the query, the response and the plan are tabs (WAI-ARIA's pattern); on a wide one they are
// beside each other, and a button shows and hides the plan.
"use strict";

const narrow = matchMedia("(max-width: 900px)");
const tabs = [...byId("views").children];

function show(view, focus) {
  document.body.dataset.view = view;
  for (const tab of tabs) {
    const chosen = tab.dataset.view === view;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
  }
  // an editor that was hidden has not measured itself
  for (const one of document.querySelectorAll(".CodeMirror")) one.CodeMirror?.refresh();
}

function showPanel(shown) {
  byId("plan").hidden = !shown;
  byId("toggle").setAttribute("aria-pressed", String(shown));
}

for (const tab of tabs) tab.addEventListener("click", () => show(tab.dataset.view, false));
byId("views").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  const at = tabs.findIndex((tab) => tab.dataset.view === document.body.dataset.view);
  show(tabs[(at + step + tabs.length) % tabs.length].dataset.view, true);
  event.preventDefault();
});
byId("toggle").addEventListener("click", () => showPanel(byId("plan").hidden));
narrow.addEventListener("change", () => narrow.matches && showPanel(true));
