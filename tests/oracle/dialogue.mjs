// A peer gateway whose subgraphs are the reader of its output: `node dialogue.mjs apollo|hive|hive-rust`, JSON lines.
// In:  {"supergraph": SDL}                          Out: {"loaded": true} or {"failure": why it did not load}
// In:  {"operation": {query, variables, labels}}    Out: any number of {"call": number, "url", "body"}, then {"answer": {data, errors}}
// In:  {"reply": number, "body"}, for each call in any order
// Bodies of calls and replies are texts of JSON: JSON.parse would round big numbers, and the peer gets the blame.
import { createInterface } from "node:readline";
import { gateways } from "./gateways.mjs";

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const open = gateways[process.argv[2]];
const waiting = new Map();
let peer, calls = 0;

const fetch = (target, { body }) => new Promise((done) => {
  calls += 1;
  waiting.set(calls, done);
  say({ call: calls, url: String(target.url ?? target), body: String(body) });
});

function reply({ reply: number, body }) {
  const done = waiting.get(number);
  waiting.delete(number);
  done(new Response(body, { headers: { "content-type": "application/json" } }));
}

async function load({ supergraph }) {
  await peer?.stop();
  peer = undefined;
  try {
    peer = await open(supergraph, fetch);
    await peer.ask({ query: "{ __typename }" });
    say({ loaded: true });
  } catch (error) {
    say({ failure: String(error) });
  }
}

async function ask({ operation }) {
  let given;
  try {
    given = await peer.ask(operation);
  } catch (error) {
    given = { errors: [{ message: String(error) }] };
  }
  say({ answer: { data: given.data ?? null, errors: given.errors ?? [] } });
}

// What no promise catches (a peer's own) would end the process in the middle of an answer.
process.on("unhandledRejection", (error) => process.stderr.write(`unhandled: ${error}\n`));
for await (const line of createInterface({ input: process.stdin })) {
  const value = JSON.parse(line);
  if ("reply" in value) reply(value);
  else if ("supergraph" in value) load(value);
  else ask(value);
}
process.exit(0);
