// The composition oracle: sets of SDLs, or supergraphs to load, as JSON lines on stdin; verdicts as JSON lines on stdout, in the same order.
// In:  {"subgraphs": {NAME: SDL, ...}}
// Out: {"codes": [...], "messages": [...], "supergraph": SDL | null, "hints": [{"code", "level", "coordinate", "message"}]}
import { createInterface } from "node:readline";
import { composeServices } from "@apollo/composition";
import { Supergraph } from "@apollo/federation-internals";
import { GraphQLError, parse } from "graphql";

const errorOf = (error) => ({ code: error.extensions?.code ?? `(${error.name})`, message: error.message });

function documents(subgraphs) {
  return Object.entries(subgraphs).map(([name, sdl]) => ({ name, url: `http://${name}`, typeDefs: parse(sdl) }));
}

function verdict({ subgraphs }) {
  let composed;
  try {
    composed = composeServices(documents(subgraphs));
  } catch (error) {
    const syntax = error instanceof GraphQLError && error.message.startsWith("Syntax Error");
    composed = { errors: [syntax ? { ...errorOf(error), extensions: { code: "INVALID_GRAPHQL" } } : error] };
  }
  const errors = (composed.errors ?? []).map(errorOf);
  return {
    codes: [...new Set(errors.map((error) => error.code))].sort(),
    messages: errors.map((error) => error.message),
    supergraph: composed.supergraphSdl ?? null,
    hints: (composed.hints ?? []).map(({ definition, coordinate, message }) => ({
      code: definition.code,
      level: definition.level.name,
      coordinate: coordinate ?? null,
      message,
    })),
  };
}

// A supergraph is loaded as Apollo Gateway loads it, its subgraphs read out of it: {"supergraph": SDL} gives {"failure": why not | null}.
function load({ supergraph }) {
  try {
    Supergraph.build(supergraph, { supportedFeatures: null }).subgraphs();
    return { failure: null };
  } catch (error) {
    return { failure: String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(asked.supergraph ? load(asked) : verdict(asked))}\n`);
}
