"""Counts the features of federation and GraphQL that the operations of a run have used."""

from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.rig import Outcome

FEATURES = (
    "key", "several keys", "composite keys", "nested keys", "resolvable: false", "requires",
    "requires, nested", "requires, with arguments", "requires, with fragments", "requires, chained",
    "provides", "shareable", "override", "progressive override", "contexts", "interfaces", "unions",
    "interface objects", "enums", "lists of lists", "input objects", "custom root names",
    "mutations in series", "big numbers", "executable directives", "hasty plans",
    "fallbacks for missing inputs",
)  # fmt: skip


@dataclass(slots=True)
class Figures:
    """The counts of a run."""

    cuts: int = 0
    operations: int = 0
    with_faults: int = 0
    with_errors: int = 0
    far: int = 0
    fetches: int = 0
    leaves: int = 0
    starved: int = 0
    shuffled: int = 0
    used: Counter[str] = field(default_factory=Counter)
    differences: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome, faulty: bool) -> None:
        """Count one operation. `faulty`: whether fields failed."""
        self.operations += 1
        self.with_faults += faulty
        self.with_errors += outcome.errors > 0
        self.far += outcome.fetches >= 3
        self.fetches += outcome.fetches
        self.leaves += outcome.leaves
        self.starved += outcome.verdict.starved
        self.shuffled += outcome.verdict.shuffled
        self.used.update(outcome.used.keys())
        if outcome.verdict.kind:
            self.differences[outcome.verdict.kind] += 1

    def table(self) -> str:
        """Return all counts as text, one per line."""
        total = max(self.operations, 1)
        rows: list[tuple[str, str]] = [
            ("cuts", str(self.cuts)),
            ("operations", str(self.operations)),
            ("... with injected faults in force", str(self.with_faults)),
            ("... whose answer has errors", str(self.with_errors)),
            ("... with three fetches or more", f"{self.far} ({100 * self.far / total:.0f} %)"),
            ("fetches on average", f"{self.fetches / total:.1f}"),
            ("non-null leaves on average", f"{self.leaves / total:.1f}"),
            ("errors of inputs, let pass", str(self.starved)),
            ("answers with keys in another order", str(self.shuffled)),
            *((f"touched: {name}", str(self.used[name])) for name in FEATURES),
            *((f"differences: {kind}", str(count)) for kind, count in self.differences.items()),
            ("differences", str(sum(self.differences.values()))),
        ]
        return "\n".join(f"  {name:<36} {figure:>14}" for name, figure in rows)

    def shortfalls(self) -> list[str]:
        """Return what a full run has used too rarely to count as tested."""
        found = []
        if self.far * 2 < self.operations:
            found.append("fewer than half of the operations make three fetches")
        if self.leaves < 10 * self.operations:
            found.append("fewer than ten non-null leaves on average")
        least = self.operations // 20
        found += [
            f"{name}: in {self.used[name]} operations, not {least}"
            for name in FEATURES
            if self.used[name] < least
        ]
        return found
