"""Reports the failures of a store, not each of them: a server that is down fails at every request."""

from collections.abc import Callable

from gateway.core.clock import Clock
from gateway.observe.facts import DocumentStoreFailed

REPORT_SECONDS = 10.0  # between two reports


class FailureReports:
    """Reports the first failure of a store at once, and later ones at most every REPORT_SECONDS.

    `store`: its name. `report`: receives the fact.
    """

    def __init__(self, store: str, clock: Clock, report: Callable[[DocumentStoreFailed], None]) -> None:
        self.store = store
        self.clock = clock
        self.report = report
        self.count = 0
        self.due = clock.time()

    def failed(self, message: str) -> None:
        """Count a failure, and report it if a report is due. `message`: what failed."""
        self.count += 1
        now = self.clock.time()
        if now >= self.due:
            self.report(DocumentStoreFailed(self.store, message, self.count))
            self.count, self.due = 0, now + REPORT_SECONDS
