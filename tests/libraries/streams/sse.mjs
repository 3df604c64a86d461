// A subgraph whose subscriptions are served by npm's graphql-sse, on the port of the first argument (0: any).
// Standard input has a JSON value a line, which all subscribers of `news` receive; standard output has the port,
// then the number of these subscribers whenever it changes.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { GraphQLError, buildSchema } from "graphql";
import { createHandler } from "graphql-sse/lib/use/http";

// graphql-sse leaves the error of a write unhandled, when a client goes while it writes.
process.on("unhandledRejection", () => {});

const schema = buildSchema(`
  type Query { x: Int }
  type Subscription { count(to: Int!): Int!  news: String!  broken: Int!  whoami: String! }
`);
const readers = new Set();
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function* count(_, { to }) {
  for (let number = 0; number < to; number += 1) yield { count: number };
}

async function* broken() {
  yield { broken: 1 };
  yield { broken: new GraphQLError("is broken") };
}

async function* whoami(_, __, { authorization }) {
  yield { whoami: authorization };
}

function news() {
  const reader = { waiting: [], wake: null };
  readers.add(reader);
  say(readers.size);
  const next = () =>
    reader.waiting.length
      ? Promise.resolve({ done: false, value: { news: reader.waiting.shift() } })
      : new Promise((resolve) => { reader.wake = () => resolve(next()); });
  const close = async () => {
    if (readers.delete(reader)) say(readers.size);
    return { done: true, value: undefined };
  };
  return { next, return: close, throw: close, [Symbol.asyncIterator]() { return this; } };
}

const fields = schema.getSubscriptionType().getFields();
for (const [name, subscribe] of Object.entries({ count, news, broken, whoami })) {
  fields[name].subscribe = subscribe;
}
const handler = createHandler({
  schema,
  context: ({ headers }) => ({ authorization: headers.get("authorization") ?? "" }),
});
const server = createServer((request, response) => handler(request, response));
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => say(server.address().port));
createInterface({ input: process.stdin })
  .on("line", (line) => {
    for (const reader of readers) {
      reader.waiting.push(JSON.parse(line));
      const { wake } = reader;
      reader.wake = null;
      wake?.();
    }
  })
  .on("close", () => process.exit(0));
