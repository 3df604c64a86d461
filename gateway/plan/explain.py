"""Prints a plan: as text for people, and as JSON for tools.

Used by the command line and by the HTTP endpoint.
"""

from typing import Any

from graphql import parse, print_ast

from gateway.plan.nodes import ContextSource, Fetch, Lookup, Path, Plan, RepresentationField, Target


def print_path(path: Path) -> str:
    """Return a path as text:

    `products.reviews|[Book].author`, where [Book] restricts the type. Empty: `(root)`.
    """
    if not path:
        return "(root)"
    parts = []
    for step in path:
        parts.append(step.key + (f"|[{','.join(sorted(step.types))}]" if step.types is not None else ""))
    return ".".join(parts)


def formatted_request(text: str) -> str:
    """Return the text of a request with one field per line, indented."""
    return print_ast(parse(text, no_location=True))


def print_plan(plan: Plan, *, formatted: bool = False) -> str:
    """Return the plan as indented text: for each fetch its request, what it waits for, and its targets.

    `formatted`: whether requests have one line per field, otherwise one line.
    """
    lines = [f"{plan.kind} plan: {len(plan.fetches)} fetches"]
    for number, stage in enumerate(plan.stages):
        if len(plan.stages) > 1:
            lines.append(f"stage {number + 1}")
        for fetch in stage:
            lines.extend(_print_fetch(fetch, formatted))
    return "\n".join(lines) + "\n"


def _print_fetch(fetch: Fetch, formatted: bool) -> list[str]:
    text = formatted_request(fetch.text) if formatted else fetch.text
    waits = f" after {', '.join(str(item) for item in fetch.after)}" if fetch.after else ""
    lines = [f"  fetch {fetch.id} from {fetch.subgraph}{waits}"]
    lines += [f"    {line}" for line in text.splitlines()]
    for lookup in fetch.lookups:
        for target in lookup.targets:
            lines.append(f"    -> {print_path(target.path)}")
            for item in target.representations:
                types = f" for {', '.join(sorted(item.types))}" if item.types is not None else ""
                fields = " ".join(_print_rep(one) for one in item.fields)
                lines.append(f"       by {item.typename or 'its own type'} {{ {fields} }}{types}")
        for one in lookup.contexts:
            sources = ", or ".join(_print_source(lookup, source) for source in one.sources)
            lines.append(f"       with ${one.variable} from {sources}")
    return lines


def _print_source(lookup: Lookup, source: ContextSource) -> str:
    fields = " ".join(_print_rep(one) for one in source.fields)
    return f"{print_path(lookup.targets[0].path[: source.depth])} {{ {fields} }}"


def _print_rep(item: RepresentationField) -> str:
    name = item.name if item.name == item.key else f"{item.name}: {item.key}"
    return f"{name} {{ {' '.join(_print_rep(one) for one in item.below)} }}" if item.below else name


def plan_json(plan: Plan, *, formatted: bool = False) -> dict[str, Any]:
    """Return the plan as JSON data: its kind, and stages of fetches; `formatted` as for `print_plan`."""
    stages = [[_fetch_json(fetch, formatted) for fetch in stage] for stage in plan.stages]
    return {"kind": plan.kind, "stages": stages}


def _fetch_json(fetch: Fetch, formatted: bool) -> dict[str, Any]:
    return {
        "id": fetch.id,
        "subgraph": fetch.subgraph,
        "kind": fetch.kind,
        "operation": formatted_request(fetch.text) if formatted else fetch.text,
        "variables": list(fetch.variables),
        "after": list(fetch.after),
        "lookups": [_target_json(item) for lookup in fetch.lookups for item in lookup.targets],
    }


def _target_json(target: Target) -> dict[str, Any]:
    by = [
        {
            "typename": item.typename,
            "types": sorted(item.types) if item.types is not None else None,
            "fields": " ".join(_print_rep(one) for one in item.fields),
        }
        for item in target.representations
    ]
    return {"path": print_path(target.path), "representations": by}
