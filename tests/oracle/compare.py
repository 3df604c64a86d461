"""Compare the result of our composer with that of the composition oracle for one set of SDLs."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from graphql import lexicographic_sort_schema, print_schema

from gateway.compose.compose import compose
from gateway.compose.diagnostics import CompositionFailed
from gateway.compose.hints import OWN
from gateway.compose.ingest import SubgraphSource
from gateway.core.errors import SupergraphError
from gateway.supergraph.load import load_supergraph
from gateway.supergraph.model import Supergraph
from tests.oracle.sets import SdlSet, Verdict


def compose_ours(one: SdlSet) -> Verdict:
    """Compose a set with our composer and return the result in the oracle's form; results are cached
    by set.
    """
    return _compose(tuple(one.subgraphs.items()))


@cache
def _compose(subgraphs: tuple[tuple[str, str], ...]) -> Verdict:
    try:
        made = compose([SubgraphSource(name, f"http://{name}", sdl) for name, sdl in subgraphs])
    except CompositionFailed as error:
        codes = {problem.code for problem in error.problems}
        return Verdict(tuple(sorted(codes)), tuple(problem.message for problem in error.problems))
    hints = tuple({"code": hint.code} for hint in made.hints if hint.code not in OWN)
    return Verdict(supergraph=made.supergraph, hints=hints)


def differences(oracle: Verdict, ours: Verdict) -> Iterator[str]:
    """List the differences between the two results: error codes first; if both compose, hints, the API
    schema, and the join metadata of each subgraph.
    """
    if oracle.codes != ours.codes:
        yield f"codes: {oracle.note} / ours: {ours.note}"
    elif oracle.supergraph and ours.supergraph:
        if oracle.hint_codes != ours.hint_codes:
            yield f"hints: {oracle.note} / ours: {ours.note}"
        try:
            theirs, mine = load_supergraph(oracle.supergraph), load_supergraph(ours.supergraph)
        except SupergraphError as error:
            yield f"a supergraph does not load: {error.message}"
            return
        yield from _schemas(theirs, mine)
        yield from _subgraphs(theirs, mine)


def _schemas(theirs: Supergraph, mine: Supergraph) -> Iterator[str]:
    texts = [print_schema(lexicographic_sort_schema(one.api)).splitlines() for one in (theirs, mine)]
    if texts[0] != texts[1]:
        only = [[line for line in texts[i] if line not in texts[1 - i]][:6] for i in (0, 1)]
        yield f"API schema: {only[0]} / ours: {only[1]}"


def _subgraphs(theirs: Supergraph, mine: Supergraph) -> Iterator[str]:
    """Read the types, fields, keys and field sets of every subgraph from the supergraph, as a
    gateway does.
    """
    left, right = _facts(theirs), _facts(mine)
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield f"{name}: {left.get(name)} / ours: {right.get(name)}"


def _facts(supergraph: Supergraph) -> dict[str, Any]:
    """Map the coordinate of each element to its join metadata, for every subgraph; add contexts, labels and
    features.
    """
    facts: dict[str, Any] = {"contexts": supergraph.contexts, "labels": supergraph.labels}
    facts["features"] = {one for one in supergraph.features if "/join/" not in one and "/link/" not in one}
    for name, subgraph in supergraph.subgraphs.items():
        for type_ in subgraph.types.values():
            keys = frozenset((key.fields, key.resolvable) for key in type_.keys)
            facts[f"{name}: {type_.name}"] = (
                type_.kind, type_.interface_object, type_.interfaces, type_.possible, keys,
            )  # fmt: skip
            facts.update({f"{name}: {type_.name}.{one.name}": one for one in type_.fields.values()})
    return facts
