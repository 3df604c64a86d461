// GraphiQL with example operations, and the plan beside the answer. Plain DOM around GraphiQL's own component.
"use strict";

const PAUSE = 600; // milliseconds without a change of the editor, after which its plan is read
const start = `# Choose an example above, or write a query
# and press the play button (Ctrl+Enter).
`;
const NO_PLANS = "This gateway does not show plans: its setting plan_header is off.";
let ran = null; // what ran last: its requests stay visible until the editor has something else
let preview = null; // the request for a plan in progress
let timer = 0;

function headersOf(given, plan) {
  const headers = { "content-type": "application/json", accept: "application/json", ...given };
  if (plan) headers["x-gateway-plan"] = plan;
  const token = byId("token").value.trim();
  if (token && !Object.keys(headers).some((name) => name.toLowerCase() === "authorization")) {
    headers.authorization = "Bearer " + token.replace(/^bearer\s+/i, "");
  }
  return headers;
}

/** Send a request. A failure to reach the gateway becomes an answer with an error, as people can read it. */
async function post(params, headers, signal) {
  let response;
  try {
    response = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify(params), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return failure(`The gateway at ${location.origin} does not reply. Check that it runs, then run the operation again.`);
  }
  try {
    return await response.json();
  } catch {
    return failure(`The gateway replied with HTTP status ${response.status} and no JSON.`);
  }
}

const failure = (message) => ({ errors: [{ message }] });
const introspects = (params) => params.operationName === "IntrospectionQuery";
let operationName; // of the operation at the cursor, where the editor has several

/** Return whether an operation has several responses: a subscription, or one with @defer or @stream. */
function streams(params, options) {
  const operations = (options?.documentAST?.definitions ?? []).filter((one) => one.kind === "OperationDefinition");
  const chosen = operations.find((one) => one.name?.value === params.operationName) ?? operations[0];
  return chosen?.operation === "subscription" || /@(defer|stream)\b/.test(params.query);
}

/** Return the name and the data of an event in a stream of Server-Sent Events. */
function eventOf(block) {
  const event = { name: "message", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) event.name = line.slice(7);
    if (line.startsWith("data: ")) event.data += line.slice(6);
  }
  return event;
}

/** Return the responses of an operation as they come. GraphiQL's stop button ends the request at once. */
function streamed(params, given) {
  const abort = new AbortController();
  const responses = events(params, given, abort);
  return {
    [Symbol.asyncIterator]() { return this; },
    next: () => responses.next(),
    return: () => { abort.abort(); return responses.return(); },
  };
}

async function* events(params, given, abort) {
  const headers = { ...given, accept: "text/event-stream;deferSpec=20220824" };
  try {
    const response = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify(params), signal: abort.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) throw new Error("the stream has ended");
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const event of blocks.map(eventOf)) {
        if (event.name === "complete") return;
        if (event.name !== "next") continue;
        const result = JSON.parse(event.data);
        noteToken(result);
        yield result;
      }
    }
  } catch (error) {
    if (error.name !== "AbortError") yield failure(`The stream from ${location.origin} broke. Run the operation again.`);
  } finally {
    abort.abort();
  }
}

async function fetcher(params, options) {
  if (introspects(params)) return post(params, headersOf(options?.headers));
  if (streams(params, options)) {
    document.body.classList.add("has-run");
    if (narrow.matches) show("response", false);
    return streamed(params, headersOf(options?.headers));
  }
  clearTimeout(timer);
  preview?.abort();
  document.body.classList.add("has-run");
  ran = keyOf(params.query, variablesText());
  if (narrow.matches) show("response", false);
  const result = await post(params, headersOf(options?.headers, byId("plan").hidden ? undefined : "1"));
  noteToken(result);
  const plan = result.extensions?.plan;
  if (plan?.calls) showCalls(plan);
  else showNoPlan(result.errors ? "No subgraph request: see the errors of the answer." : "No plan came with this answer.");
  if (result.extensions) {
    delete result.extensions.plan;
    if (Object.keys(result.extensions).length === 0) delete result.extensions;
  }
  return result;
}

/** Say beside the token's field that a token is missing, or is not valid any more. */
function noteToken(result) {
  const refused = (result.errors ?? []).some((error) => error.extensions?.code === "UNAUTHENTICATED");
  const given = byId("token").value.trim() !== "";
  byId("token").setAttribute("aria-invalid", String(refused && given));
  byId("token-note").hidden = !refused;
  if (!refused) byId("token-note").textContent = "";
  else if (given) byId("token-note").textContent = "The token was not accepted; it may have expired. Empty its field, log in again, and paste the new token.";
  else byId("token-note").textContent = "This operation needs a token. Log in, and paste the token into its field.";
}

// GraphiQL's editors in the order of the page: the query's; the variables' and the headers', in one section.
const editors = () => [...document.querySelectorAll(".graphiql-query-editor .CodeMirror, .graphiql-editor-tool .CodeMirror")].map((one) => one.CodeMirror);
const textOf = (index) => editors()[index]?.getValue() ?? "";
const queryText = () => textOf(0);
const variablesText = () => textOf(1);

/** Return the headers in their editor; none while they are not valid JSON. */
function givenHeaders() {
  try {
    return JSON.parse(textOf(2) || "{}");
  } catch {
    return {};
  }
}

const keyOf = (query, variables) => JSON.stringify([query, variables]);

/** Read the plan of what is in the editor, a moment after its last change. */
function changed() {
  clearTimeout(timer);
  preview?.abort();
  timer = setTimeout(readPlan, PAUSE);
}

async function readPlan() {
  const query = queryText(), variables = variablesText();
  if (byId("plan").hidden || keyOf(query, variables) === ran) return;
  if (!query.replace(/#.*/g, "").trim()) return;
  ran = null;
  const params = { query, operationName };
  try {
    if (variables.trim()) params.variables = JSON.parse(variables);
  } catch {
    showNoPlan("No plan yet: the variables are not valid JSON.");
    return;
  }
  preview = new AbortController();
  try {
    showPreview(await post(params, headersOf(givenHeaders(), "only"), preview.signal));
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

function showPreview(result) {
  if (result.extensions?.plan) showPlanAlone(result.extensions.plan);
  else if (result.errors?.[0]?.extensions?.code === "PLAN_HEADER_DISABLED") showNoPlan(NO_PLANS);
  else showNoPlan(`No plan yet: ${result.errors?.[0]?.message ?? "the gateway sent none"}`);
}

function App() {
  const [example, choose] = React.useState({ query: undefined, variables: undefined });
  React.useEffect(() => {
    byId("examples").addEventListener("change", (event) => {
      const found = window.examples?.[event.target.value];
      if (!found) return;
      byId("about").textContent = byId("about").title = found.description;
      const variables = Object.keys(found.variables).length ? JSON.stringify(found.variables, null, 2) : "";
      choose({ query: found.query, variables });
      if (narrow.matches) show("query", false);
    });
    watchEditors();
  }, []);
  return React.createElement(GraphiQL, {
    fetcher,
    defaultQuery: start,
    query: example.query,
    variables: example.variables,
    shouldPersistHeaders: false,
    onEditOperationName: (name) => { operationName = name; changed(); },
  });
}

/** Read the plan at every change of the editors, which GraphiQL makes some time after the start. */
function watchEditors() {
  const found = editors();
  if (found.length < 3 || found.includes(undefined)) {
    setTimeout(watchEditors, 50);
    return;
  }
  for (const one of found) one.on("change", changed);
  changed();
}

async function loadExamples() {
  let found = [];
  try {
    const response = await fetch("/graphiql/examples.json");
    if (response.ok) found = await response.json();
  } catch {
    // without a gateway there is an error at the first run; the page has no other use for examples
  }
  window.examples = found;
  found.forEach((example, index) => {
    const option = element("option", example.name);
    option.value = index;
    byId("examples").append(option);
  });
  byId("examples").parentElement.hidden = found.length === 0;
}

byId("toggle").addEventListener("click", changed);
byId("token").addEventListener("change", changed);
ReactDOM.createRoot(byId("graphiql")).render(React.createElement(App));
loadExamples();
