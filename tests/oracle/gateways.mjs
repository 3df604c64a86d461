// Peer gateways over a supergraph, each as `open(supergraph, fetch)` -> { ask({query, variables, labels}), stop() }.
// `fetch`: how subgraphs are asked (default: HTTP); `labels`: those of progressive overrides that are on.
// A process runs one peer and imports it alone: each takes a second.
import { createHash } from "node:crypto";
import { parse, validate } from "graphql";

const silent = { debug() {}, info() {}, warn() {}, error() {}, log() {} };
const digest = (text) => createHash("sha256").update(text).digest("hex");

// The gateway has no option for labels; its planner has one.
function switchLabels(gateway) {
  const { queryPlanner } = gateway;
  const known = new Set([...queryPlanner._defaultOverrideConditions.keys()]);
  const plan = queryPlanner.buildQueryPlan.bind(queryPlanner);
  let on = new Set();
  queryPlanner.buildQueryPlan = (operation, options) =>
    plan(operation, { ...options, overrideConditions: new Map([...known].map((label) => [label, on.has(label)])) });
  return (labels) => { on = new Set(labels); };
}

// What Apollo Server does around the gateway's executor: parse, validate, pick the operation.
async function apollo(supergraph, fetch) {
  const { ApolloGateway, RemoteGraphQLDataSource } = await import("@apollo/gateway");
  const buildService = fetch && (({ url }) => new RemoteGraphQLDataSource({ url, fetcher: fetch }));
  const gateway = new ApolloGateway({ supergraphSdl: supergraph, logger: silent, buildService });
  let schema;
  gateway.onSchemaLoadOrUpdate((loaded) => { schema = loaded.apiSchema; });
  const { executor } = await gateway.load({});
  const switchTo = switchLabels(gateway);
  const ask = async ({ query, variables = {}, labels = [] }) => {
    const document = parse(query);
    const errors = validate(schema, document);
    if (errors.length) return { errors };
    switchTo(labels);
    const operation = document.definitions.find((one) => one.kind === "OperationDefinition");
    return executor({
      document, operation, schema, source: query, queryHash: digest([query, ...labels].join("\n")),
      request: { query, variables }, operationName: null, context: {}, cache: new Map(), logger: silent, metrics: {},
      overallCachePolicy: {},
    });
  };
  return { ask, stop: () => gateway.stop() };
}

async function hive(supergraph, fetch, more = {}) {
  const { createGatewayRuntime } = await import("@graphql-hive/gateway-runtime");
  let on = new Set();
  const gateway = createGatewayRuntime({
    supergraph, logging: false, landingPage: false, graphiql: false, maskedErrors: false,
    progressiveOverride: (label) => on.has(label), ...(fetch && { fetchAPI: { fetch } }), ...more,
  });
  const ask = async ({ query, variables = {}, labels = [] }) => {
    on = new Set(labels);
    // the share of percent(30), which both planners read from the environment
    process.env.PROGRESSIVE_OVERRIDE_RNG = labels.some((label) => label.startsWith("percent(")) ? "0.001" : "0.999";
    const answer = await gateway.fetch("http://gateway/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query, variables }),
    });
    return answer.json();
  };
  return { ask, stop: () => gateway[Symbol.asyncDispose]?.() };
}

async function hiveRust(supergraph, fetch) {
  const { unifiedGraphHandler } = await import("@graphql-hive/router-runtime");
  return hive(supergraph, fetch, { unifiedGraphHandler });
}

export const gateways = { apollo, hive, "hive-rust": hiveRust };
