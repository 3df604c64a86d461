"""The run-time types of objects: which groups fetch them, and which `__typename` representations send."""

from gateway.plan.fetch_graph import DraftField, DraftSelection, FetchGroup, Site
from gateway.plan.nodes import Representation, RepresentationField
from gateway.supergraph.query_graph import TYPENAME, QueryGraph, Vertex


def select_typename(draft: DraftSelection) -> None:
    """Select `__typename` under that key. Validation ensures that clients never use it for another field."""
    draft.fields.setdefault(TYPENAME, DraftField(TYPENAME, TYPENAME, "String!", (), frozenset()))


def groups_fetching_type(graph: QueryGraph, site: Site) -> set[FetchGroup]:
    """Return the group that fetches the run-time type of a site's objects; select `__typename` in it.

    The result is empty if no entered subgraph knows the type (all know it only as an interface object).
    """
    whole = site
    while whole.whole is not None:
        whole = whole.whole
    for slot in whole.slots.values():
        if graph.field_edge(slot.vertex, TYPENAME) is not None:
            select_typename(slot.draft)
            return {slot.group}
    return set()


def groups_fetching_types_above(graph: QueryGraph, site: Site) -> set[FetchGroup]:
    """Return the groups that fetch the run-time types to which enclosing sites are restricted."""
    groups: set[FetchGroup] = set()
    above = site.parent
    while above is not None:
        if above.types is not None:
            groups |= groups_fetching_type(graph, above)
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
    """Return how a site's objects become representations in a lookup of `group` at the vertex `source`.

    `inputs`: those of `fields` that only a @requires needs.
    """
    view = graph.view(source)
    typename: str | None = source.type
    if (
        graph.is_abstract(site.type)
        and not (view and view.interface_object)
        and groups_fetching_type(graph, site) - {group}
    ):
        typename = None
    elif not (view and view.interface_object) and not graph.is_abstract(site.type):
        typename = site.type
    return Representation(site.types, typename, fields, inputs)
