// Puts the page together in dist/: GraphiQL's and React's ready builds, and our own page beside them.
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const parts = [
  "react/umd/react.production.min.js",
  "react-dom/umd/react-dom.production.min.js",
  "graphiql/graphiql.min.js",
  "graphiql/graphiql.min.css",
];

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");
for (const part of parts) copyFileSync(join("node_modules", part), join("dist", part.split("/").at(-1)));
for (const file of readdirSync("src")) copyFileSync(join("src", file), join("dist", file));
