// Every code that the oracle publishes, as one JSON line: {"errors": [...], "hints": [{code, level}, ...]}.
import { HINTS } from "@apollo/composition/dist/hints.js";
import { ERRORS } from "@apollo/federation-internals";

const errors = Object.values(ERRORS).map((error) => error.code);
const hints = Object.values(HINTS).map((hint) => ({ code: hint.code, level: hint.level.name }));
process.stdout.write(`${JSON.stringify({ errors, hints })}\n`);
