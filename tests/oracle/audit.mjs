// npm graphql-http's audits against the GraphQL endpoint at the given URL: one JSON line per audit.
import { serverAudits } from "graphql-http";

const say = (value) => new Promise((done) => process.stdout.write(`${JSON.stringify(value)}\n`, done));
for (const audit of serverAudits({ url: process.argv[2], fetchFn: fetch })) {
  const { status, reason = null } = await audit.fn();
  await say({ name: audit.name, status, reason });
}
process.exit(0);
