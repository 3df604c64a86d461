// A subgraph of one version of @apollo/subgraph, by its lines: `node with_apollo.mjs subgraph-2.4 2.4`.
import { createInterface } from "node:readline";
import { graphql } from "graphql";
import gql from "graphql-tag";

const [, , library, version] = process.argv;
const { buildSubgraphSchema } = await import(library);
const PRODUCTS = { 1: { id: "1", name: "Horn" } };
const typeDefs = gql(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v${version}", import: ["@key", "@shareable", "@tag"])
  type Query { product: Product }
  type Product @key(fields: "id") { id: ID! name: String @shareable @tag(name: "listed") }
`);
const resolvers = {
  Query: { product: () => PRODUCTS[1] },
  Product: { __resolveReference: ({ id }) => PRODUCTS[id] },
};
const schema = buildSubgraphSchema({ typeDefs, resolvers });

for await (const line of createInterface({ input: process.stdin })) {
  const { query, variables } = JSON.parse(line);
  const result = await graphql({ schema, source: query, variableValues: variables });
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
