// GraphiQL with example operations, and the query plan beside the answer. Plain DOM around GraphiQL's own component.
"use strict";

const byId = (id) => document.getElementById(id);
const start = `# Choose an example above, or write a query
# and press the play button (Ctrl+Enter).
`;

function headersOf(given) {
  const headers = { "content-type": "application/json", accept: "application/json", ...given };
  if (!byId("plan").hidden) headers["x-gateway-plan"] = "1";
  const token = byId("token").value.trim();
  if (token && !Object.keys(headers).some((name) => name.toLowerCase() === "authorization")) {
    headers.authorization = "Bearer " + token.replace(/^bearer\s+/i, "");
  }
  return headers;
}

async function fetcher(params, options) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: headersOf(options?.headers),
    body: JSON.stringify(params),
  });
  const result = await response.json();
  if (params.operationName !== "IntrospectionQuery") showPlan(result.extensions?.plan);
  if (result.extensions) {
    delete result.extensions.plan;
    if (Object.keys(result.extensions).length === 0) delete result.extensions;
  }
  return result;
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showPlan(plan) {
  const list = byId("plan-fetches");
  list.replaceChildren();
  byId("plan-text").textContent = plan ? plan.text : "";
  const fetches = plan ? plan.json.stages.flat() : [];
  byId("plan-note").textContent = plan
    ? `${fetches.length} ${fetches.length === 1 ? "request" : "requests"} to subgraphs`
    : "No plan came with this answer.";
  for (const fetch of fetches) {
    const item = element("li");
    const head = element("div", undefined, "head");
    head.append(element("b", fetch.subgraph));
    head.append(element("span", fetch.after.length ? `${fetch.id} · after ${fetch.after.join(", ")}` : `${fetch.id} · at once`));
    item.append(head);
    item.append(element("div", "→ " + fetch.lookups.map((lookup) => lookup.path).join("  and  "), "where"));
    item.append(element("code", fetch.operation));
    list.append(item);
  }
}

function App() {
  const [example, choose] = React.useState({ query: undefined, variables: undefined });
  React.useEffect(() => {
    byId("examples").addEventListener("change", (event) => {
      const found = window.examples?.[event.target.value];
      if (!found) return;
      byId("about").textContent = found.description;
      byId("about").title = found.description;
      const variables = Object.keys(found.variables).length ? JSON.stringify(found.variables, null, 2) : "";
      choose({ query: found.query, variables });
    });
  }, []);
  return React.createElement(GraphiQL, {
    fetcher,
    defaultQuery: start,
    query: example.query,
    variables: example.variables,
    shouldPersistHeaders: false,
  });
}

async function loadExamples() {
  const response = await fetch("/graphiql/examples.json");
  window.examples = response.ok ? await response.json() : [];
  window.examples.forEach((example, index) => {
    const option = element("option", example.name);
    option.value = index;
    byId("examples").append(option);
  });
  byId("examples").parentElement.hidden = window.examples.length === 0;
}

byId("toggle").addEventListener("click", () => {
  const hidden = !byId("plan").hidden;
  byId("plan").hidden = hidden;
  byId("toggle").setAttribute("aria-pressed", String(!hidden));
});
ReactDOM.createRoot(byId("graphiql")).render(React.createElement(App));
loadExamples();
