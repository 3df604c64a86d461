// The tests of http-cache-tests against the proxy at the given URL: one JSON line per test.
import fetch from 'node-fetch'
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs'
import suites from 'http-cache-tests/tests/index.mjs'

const AT_ONCE = 60 // more of them would delay each other past a max-age of 2 seconds on a slow machine

await runTests(suites, fetch, false, process.argv[2], AT_ONCE)
const results = getResults()
for (const suite of suites) {
  for (const { id, name, kind = 'required', depends_on: needs = [] } of suite.tests) {
    if (!(id in results)) continue // a test for browsers
    console.log(JSON.stringify({ suite: suite.id, id, name, kind, needs, result: results[id] }))
  }
}
