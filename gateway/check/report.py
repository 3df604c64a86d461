"""Prints the result of a check: as text for people, and as JSON for tools."""

from typing import Any

from gateway.check.judge import LEVELS, Judgement


def print_judgement(judgement: Judgement, *, everything: bool) -> str:
    """Return the changes by level as text, breaking ones first. `everything`: also list safe changes."""
    lines: list[str] = []
    for level in LEVELS:
        found = [change for change in judgement.changes if change.level == level]
        lines.append(f"{level}: {len(found)}")
        if level == "safe" and not everything:
            continue
        for change in found:
            users = f" [used by {', '.join(change.used_by)}]" if change.used_by else ""
            lines.append(f"  {change.message}{users}")
    for one in judgement.broken:
        lines.append(f"operation {one.name} breaks")
        lines.extend(f"  {problem}" for problem in one.problems)
    for one in judgement.skipped:
        lines.append(f"operation {one.name} is skipped, it was not valid before: {one.problems[0]}")
    return "\n".join(lines) + "\n"


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """Return the result as JSON data: `breaks`, `changes`, the `operations` that break, and `skipped`
    ones.
    """
    return {
        "breaks": judgement.breaks,
        "changes": [
            {
                "level": change.level,
                "coordinate": change.coordinate,
                "message": change.message,
                "usedBy": list(change.used_by),
            }
            for change in judgement.changes
        ],
        "operations": [{"name": one.name, "problems": list(one.problems)} for one in judgement.broken],
        "skipped": [{"name": one.name, "problems": list(one.problems)} for one in judgement.skipped],
    }
