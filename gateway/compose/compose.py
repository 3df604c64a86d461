"""The stages of composition, in order: ingest > rules > merge > emit > satisfiable.

Each stage reports all errors that it finds. If there are any, the stages after it do not run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gateway.compose.access import spread_access
from gateway.compose.diagnostics import CompositionFailed, Hint, Report
from gateway.compose.emit import emit
from gateway.compose.federation_1 import check_federation_1
from gateway.compose.find_node import find_node
from gateway.compose.inaccessible import check_inaccessible
from gateway.compose.ingest import SubgraphSource, ingest
from gateway.compose.interface_fields import hint_interface_fields
from gateway.compose.merge.types import merge_schema
from gateway.compose.rules import RULES
from gateway.compose.satisfiable import check_satisfiable
from gateway.core.errors import SupergraphError
from gateway.supergraph.load import load_supergraph


@dataclass(frozen=True, slots=True)
class Composition:
    """The result of composition: the supergraph SDL, and the hints (warnings that do not stop
    composition).
    """

    supergraph: str
    hints: tuple[Hint, ...] = ()


def compose(sources: Sequence[SubgraphSource]) -> Composition:
    """Compose the subgraphs into a supergraph SDL.

    Raises CompositionFailed with all errors of the first stage that reports any.
    """
    report = Report()
    for name in {one.name for one in sources if sum(other.name == one.name for other in sources) > 1}:
        report.error("INVALID_SUBGRAPH_NAME", f'two subgraphs are named "{name}"', subgraph=name)
    schemas = [schema for source in sources if (schema := ingest(source, report))]
    report.places = partial(find_node, schemas)
    for rule in RULES:
        for schema in schemas:
            rule(schema, report)
    check_federation_1(schemas, report)
    _stop(report)
    merged = merge_schema(schemas, report)
    merged = spread_access(merged, report)
    check_inaccessible(merged, report)
    _stop(report)
    text = emit(merged, schemas)
    try:
        supergraph = load_supergraph(text)
    except SupergraphError as error:
        report.error("INVALID_GRAPHQL", f"the merged schema is not valid: {error.message}")
        _stop(report)
        raise
    graph, states = check_satisfiable(supergraph, report)
    _stop(report)
    hint_interface_fields(graph, states, report)
    return Composition(text, report.hints)


def _stop(report: Report) -> None:
    if report.problems:
        raise CompositionFailed(report.problems)
