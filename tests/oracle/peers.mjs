// A peer gateway over supergraphs whose subgraphs answer over HTTP: `node peers.mjs apollo|hive|hive-rust`, JSON lines on stdin and stdout.
// In:  {"supergraph": SDL, "queries": [...]}
// Out: {"answers": [{"data", "errors"}, ...]} or {"failure": why the supergraph did not load}
import { createInterface } from "node:readline";
import { gateways } from "./gateways.mjs";

async function answer(open, { supergraph, queries }) {
  let peer;
  try {
    peer = await open(supergraph);
  } catch (error) {
    return { failure: String(error) };
  }
  const answers = [];
  for (const query of queries) {
    answers.push(await peer.ask({ query }).catch((error) => ({ errors: [{ message: String(error) }] })));
  }
  await peer.stop();
  return { answers: answers.map(({ data, errors }) => ({ data: data ?? null, errors: errors ?? [] })) };
}

// A pipe takes 64 kB at a time: whoever exits before it is drained cuts the answer off.
const say = (value) => new Promise((done) => process.stdout.write(`${JSON.stringify(value)}\n`, done));
const open = gateways[process.argv[2]];
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) await say(await answer(open, JSON.parse(line)));
}
process.exit(0);
