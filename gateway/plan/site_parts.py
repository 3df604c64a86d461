"""The parts of a site: its objects of a narrower type, and its selections in a fragment with directives.

Example: `{ pets { name ... on Cat { lives } ... on Pet @x { age } } }` gives a site of the type Pet with two
parts: one for Cat, restricted to that type, and one for Pet with the directives `@x`, not restricted.
"""

from gateway.plan.fetch_graph import DraftSelection, RequestSlot, Site
from gateway.request.operation import FragmentDirectives
from gateway.supergraph.query_graph import QueryGraph, Vertex


def part_of(
    graph: QueryGraph, site: Site, member: str, directives: FragmentDirectives | None = None
) -> Site | None:
    """Return the site for the objects of type `member`, or for a fragment with directives; create it if
    missing.

    None when no subgraph can return an object of the type there. If a subgraph knows the objects only as an
    interface object and was entered for all of them, the part enters it again for the objects of the type.
    """
    whole = member == site.type
    narrowed = [
        (slot, graph.narrow(slot.vertex, member))
        for slot in site.slots.values()
        if whole or slot.vertex in site.start or not is_interface_object(graph, slot.vertex)
    ]
    part = site.parts.get((member, directives))
    if part is None:
        if not whole and not any(vertex for _, vertex in narrowed):
            return None
        types = site.types if whole else graph.supergraph.possible.get(member, frozenset({member}))
        part = Site(site.place, member, types, whole=site, parent=site.parent, directives=directives)
        site.parts[member, directives] = part
    for slot, vertex in narrowed:
        if vertex is not None:
            part.add_start(RequestSlot(vertex, slot.group, _draft_of(graph, slot, vertex, part)))
    return part


def _draft_of(graph: QueryGraph, slot: RequestSlot, vertex: Vertex, part: Site) -> DraftSelection:
    """Return the selection in which the part's fields of a vertex are selected, within the slot's request.

    For an interface object it is the same selection for all types: the subgraph has no type to narrow to.
    """
    whole = part.whole is not None and part.type == part.whole.type
    same = whole or is_interface_object(graph, slot.vertex)
    return slot.draft.narrow(slot.draft.type if same else vertex.type, part.directives)


def is_interface_object(graph: QueryGraph, vertex: Vertex) -> bool:
    """Return whether the vertex's subgraph knows the object only as an interface object."""
    view = graph.view(vertex)
    return view is not None and view.interface_object


def without_directives(graph: QueryGraph, site: Site) -> Site:
    """Return the site for the same objects outside of all fragments with directives.

    Key fields and inputs are selected there, because a directive could change their values.
    """
    if site.whole is None:
        return site
    outer = without_directives(graph, site.whole)
    if outer is site.whole and site.directives is None:
        return site
    return outer if site.type == outer.type else part_of(graph, outer, site.type) or site


def under_directives(site: Site, draft: DraftSelection) -> DraftSelection:
    """Return the nested selection of `draft` inside all fragments with directives that enclose a site."""
    around: list[FragmentDirectives] = []
    here: Site | None = site
    while here is not None:
        if here.directives is not None:
            around.append(here.directives)
        here = here.whole
    for directives in reversed(around):
        draft = draft.narrow(draft.type, directives)
    return draft
