"""The run-time types of objects in a plan: which requests bring them, and what a lookup makes of them."""

from gateway.plan.fetch_graph import DraftField, DraftSelection, FetchGroup, Site
from gateway.plan.nodes import Representation, RepresentationField
from gateway.supergraph.query_graph import TYPENAME, QueryGraph, Vertex


def ask_type(draft: DraftSelection) -> None:
    """Ask for `__typename`, under that very key: validation keeps clients from using it otherwise."""
    draft.fields.setdefault(TYPENAME, DraftField(TYPENAME, TYPENAME, "String!", (), frozenset()))


def typed_by(graph: QueryGraph, site: Site) -> set[FetchGroup]:
    """The groups that bring the run-time type of a site's objects."""
    whole = site
    while whole.whole is not None:
        whole = whole.whole
    for slot in whole.slots.values():
        if graph.field_edge(slot.vertex, TYPENAME) is not None:
            ask_type(slot.draft)
            return {slot.group}
    return set()


def typed_above(graph: QueryGraph, site: Site) -> set[FetchGroup]:
    """The groups that bring the run-time types by which the path to a site is restricted further up."""
    groups: set[FetchGroup] = set()
    above = site.parent
    while above is not None:
        if above.types is not None:
            groups |= typed_by(graph, above)
        above = above.parent
    return groups


def representation(
    graph: QueryGraph,
    site: Site,
    group: FetchGroup,
    source: Vertex,
    fields: tuple[RepresentationField, ...],
    inputs: frozenset[RepresentationField],
) -> Representation:
    """How a site's objects become representations of a group's lookup."""
    view = graph.view(source)
    typename: str | None = source.type
    if (
        graph.is_abstract(site.type)
        and not (view and view.interface_object)
        and typed_by(graph, site) - {group}
    ):
        typename = None
    elif not (view and view.interface_object) and not graph.is_abstract(site.type):
        typename = site.type
    return Representation(site.types, typename, fields, inputs)
