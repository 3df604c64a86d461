"""The parts of a site: its objects of a narrower type, and its selections under the directives of a fragment.

Example: `{ pets { name ... on Cat { lives } ... on Pet @x { age } } }` has a site of the type Pet, with a
part for Cat (restricted to that type) and a part for Pet with the directives `@x` (not restricted).
"""

from gateway.plan.fetch_graph import DraftSelection, RequestSlot, Site
from gateway.request.operation import FragmentDirectives
from gateway.supergraph.query_graph import QueryGraph, Vertex


def part_of(
    graph: QueryGraph, site: Site, member: str, directives: FragmentDirectives | None = None
) -> Site | None:
    """The site for objects of a narrower type, or for a fragment with directives.

    None when no subgraph hands out an object of the type there. A subgraph that knows the objects as an
    interface object only, and was entered for all of them, is entered anew for those of the type.
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
            part.arrive(RequestSlot(vertex, slot.group, _draft_of(graph, slot, vertex, part)))
    return part


def _draft_of(graph: QueryGraph, slot: RequestSlot, vertex: Vertex, part: Site) -> DraftSelection:
    """What a slot asks of the objects of a part: of an interface object, the same as of all."""
    whole = part.whole is not None and part.type == part.whole.type
    same = whole or is_interface_object(graph, slot.vertex)
    return slot.draft.narrow(slot.draft.type if same else vertex.type, part.directives)


def is_interface_object(graph: QueryGraph, vertex: Vertex) -> bool:
    """Whether a subgraph knows an object as an interface object only."""
    view = graph.view(vertex)
    return view is not None and view.interface_object


def without_directives(graph: QueryGraph, site: Site) -> Site:
    """The site for the same objects outside of all fragments with directives.

    Keys and inputs are asked for there: a directive might change their values.
    """
    if site.whole is None:
        return site
    outer = without_directives(graph, site.whole)
    if outer is site.whole and site.directives is None:
        return site
    return outer if site.type == outer.type else part_of(graph, outer, site.type) or site


def under_directives(site: Site, draft: DraftSelection) -> DraftSelection:
    """The part of a selection that is under the directives of all fragments around a site."""
    around: list[FragmentDirectives] = []
    here: Site | None = site
    while here is not None:
        if here.directives is not None:
            around.append(here.directives)
        here = here.whole
    for directives in reversed(around):
        draft = draft.narrow(draft.type, directives)
    return draft
