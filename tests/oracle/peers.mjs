// A peer gateway over supergraphs whose subgraphs answer over HTTP: `node peers.mjs apollo|hive`, JSON lines on stdin and stdout.
// In:  {"supergraph": SDL, "queries": [...]}
// Out: {"answers": [{"data", "errors"}, ...]} or {"failure": why the supergraph did not load}
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { ApolloGateway } from "@apollo/gateway";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import { parse, validate } from "graphql";

const silent = { debug() {}, info() {}, warn() {}, error() {}, log() {} };

// What Apollo Server does around the gateway's executor: parse, validate, pick the operation.
async function apollo(supergraph) {
  const gateway = new ApolloGateway({ supergraphSdl: supergraph, logger: silent });
  let schema;
  gateway.onSchemaLoadOrUpdate((loaded) => { schema = loaded.apiSchema; });
  const { executor } = await gateway.load({});
  const ask = async (query) => {
    const document = parse(query);
    const errors = validate(schema, document);
    if (errors.length) return { errors };
    const operation = document.definitions.find((one) => one.kind === "OperationDefinition");
    return executor({
      document, operation, schema, source: query, queryHash: createHash("sha256").update(query).digest("hex"),
      request: { query, variables: {} }, operationName: null, context: {}, cache: new Map(), logger: silent, metrics: {},
      overallCachePolicy: {},
    });
  };
  return { ask, stop: () => gateway.stop() };
}

async function hive(supergraph) {
  const gateway = createGatewayRuntime({ supergraph, logging: false, landingPage: false, graphiql: false, maskedErrors: false });
  const ask = async (query) => {
    const answer = await gateway.fetch("http://gateway/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query }),
    });
    return answer.json();
  };
  return { ask, stop: () => gateway[Symbol.asyncDispose]?.() };
}

async function answer(open, { supergraph, queries }) {
  let peer;
  try {
    peer = await open(supergraph);
  } catch (error) {
    return { failure: String(error) };
  }
  const answers = [];
  for (const query of queries) {
    answers.push(await peer.ask(query).catch((error) => ({ errors: [{ message: String(error) }] })));
  }
  await peer.stop();
  return { answers: answers.map(({ data, errors }) => ({ data: data ?? null, errors: errors ?? [] })) };
}

// A pipe takes 64 kB at a time: whoever exits before it is drained cuts the answer off.
const say = (value) => new Promise((done) => process.stdout.write(`${JSON.stringify(value)}\n`, done));
const open = { apollo, hive }[process.argv[2]];
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) await say(await answer(open, JSON.parse(line)));
}
process.exit(0);
