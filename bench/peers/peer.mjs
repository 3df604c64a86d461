// A peer as a server over a static supergraph: `node peer.mjs apollo|hive|hive-rust|hive-cached SUPERGRAPH PORT [share]`, on loopback, in one process.
// As each is served in production: nothing logged, no page, no masking; documents and plans kept as each does by itself.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { ApolloGateway } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import { useResponseCache } from "@graphql-yoga/plugin-response-cache";
import { unifiedGraphHandler } from "@graphql-hive/router-runtime";

const silent = { debug() {}, info() {}, warn() {}, error: console.error };
const [name, file, port, share] = process.argv.slice(2);
const supergraph = readFileSync(file, "utf8");

async function apollo() {
  const gateway = new ApolloGateway({ supergraphSdl: supergraph, logger: silent });
  const server = new ApolloServer({ gateway, logger: silent, introspection: false });
  await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: Number(port) } });
}

function hive(more) {
  const gateway = createGatewayRuntime({
    supergraph, logging: false, landingPage: false, graphiql: false, maskedErrors: false,
    inboundInflightRequestDeduplication: share === "share",
    transportEntries: { "*": { options: { deduplicateInflightRequests: share === "share" } } }, ...more,
  });
  createServer(gateway).listen(Number(port), "127.0.0.1");
}

await { apollo, hive: () => hive({}), "hive-rust": () => hive({ unifiedGraphHandler }),
  "hive-cached": () => hive({ plugins: () => [useResponseCache({ session: () => null, ttl: 3_600_000 })] }) }[name]();
