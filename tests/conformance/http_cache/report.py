"""`python -m tests.conformance.http_cache.report`: the results of http-cache-tests by suite, with reasons.

The exit code is 1 if a required test fails that a cache without byte ranges can pass.
"""

import asyncio
import sys
from collections.abc import Iterator

from tests.conformance.http_cache.runner import Outcome, Run, run_all

SUITES = (
    "cc-freshness",
    "cc-parse",
    "cc-request",
    "cc-response",
    "age-parse",
    "stale",
    "vary",
    "vary-parse",
    "auth",
)
"""The suites about the rules that the gateway's own cache follows."""
_STRICT_NUMBER = "a lifetime that is not only digits counts as 0"
_STRICT_DATE = "a date in none of the three formats of RFC 9110 is in the past"
_LEAST = "of several lifetimes the least counts, which is over"
_NO_EXTRAS = "byte ranges are not supported: a request with Range goes to the origin, a 206 is not stored"
_NO_HEAD = "a response to HEAD changes nothing that is stored"
_NO_PERMISSION = "a stale response is used only where stale-if-error permits it"
_STRICT_TAG = "an entity tag without quotes is not repaired, and matches nothing"
_HARNESS = (
    "no cache can pass: the test counts a 504 of the cache as a cached response; it needs stale-close,"
    " and the proxy's 504 is asserted apart"
)
REASONS = {
    "cc-parse": {
        "freshness-max-age-decimal": _STRICT_NUMBER,
        "freshness-max-age-a100": _STRICT_NUMBER,
        "freshness-max-age-100a": _STRICT_NUMBER,
        "freshness-max-age-two-": _LEAST,
    },
    "expires-parse": {"freshness-expires-": _STRICT_DATE},
    "stale": {
        "stale-close-": _HARNESS,
        "stale-warning-": "no Warning: RFC 9111 has removed the header",
        "stale-": _NO_PERMISSION,
    },
    "heuristic": {
        "heuristic-delta-": "a tenth of the time since the last change is over after the test's pause"
    },
    "method": {"method-POST": "only GET is stored"},
    "pragma": {"pragma-request-no-cache": "Pragma: no-cache counts in a request without Cache-Control"},
    "vary": {"vary-normalise-lang-select": "languages are not negotiated: q-values are only compared"},
    "conditional-lm": {
        "conditional-lm-fresh-no-lm": "without Last-Modified the condition is compared with Date: it is later"
    },
    "conditional-inm": {
        "conditional-etag-strong-respond-obs-text": "Node writes the tag as UTF-8, the condition as Latin-1",
        "conditional-etag-vary-headers-mismatch": "only the selected variant is validated",
        "conditional-etag-": _STRICT_TAG,
    },
    "updateHEAD": {"head-": _NO_HEAD},
    "partial": {"partial-": _NO_EXTRAS},
}
"""Why a test does not pass, by suite and the start of the test's id; the first that fits counts."""


def reason_of(outcome: Outcome) -> str:
    """Return why a test is expected not to pass; "" if it is expected to pass."""
    found = REASONS.get(outcome.suite, {})
    return next((reason for start, reason in found.items() if outcome.id.startswith(start)), "")


def failures(run: Run) -> list[Outcome]:
    """Return the required tests of SUITES that fail although all tests that they need have passed."""
    required = [one for one in run.outcomes.values() if one.kind == "required" and one.suite in SUITES]
    return [one for one in required if one.wrong and run.is_meaningful(one)]


def table(run: Run) -> Iterator[str]:
    """Return the lines of the report."""
    yield f"{'suite':16} {'required':>10} {'optimal':>10} {'check':>10}   passed/all (a check only asks)"
    for suite in dict.fromkeys(one.suite for one in run.outcomes.values()):
        cells = []
        for kind in ("required", "optimal", "check"):
            found = [one for one in run.outcomes.values() if (one.suite, one.kind) == (suite, kind)]
            cells.append(f"{sum(not one.wrong for one in found)}/{len(found)}" if found else "")
        yield f"{suite:16} " + " ".join(f"{cell:>10}" for cell in cells) + ("  *" if suite in SUITES else "")
    yield "* the suites whose required tests must pass"
    for one in run.outcomes.values():
        if one.wrong:
            yield f"  {one.kind:8} {one.id}: {reason_of(one) or one.wrong}"


def main() -> int:
    """Run all tests, print the report, and return the exit code."""
    run = asyncio.run(run_all())
    sys.stdout.write("".join(f"{line}\n" for line in table(run)))
    return 1 if failures(run) else 0


if __name__ == "__main__":
    sys.exit(main())
