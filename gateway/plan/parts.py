"""The parts of a site: its objects of a narrower type, and its selections under the directives of a fragment.

Example: `{ pets { name ... on Cat { lives } ... on Pet @x { age } } }` has a site of the type Pet, with a
part for Cat (restricted to that type) and a part for Pet with the marks `@x` (not restricted).
"""

from gateway.plan.fetch_graph import Draft, Site, Slot
from gateway.request.operation import Marks
from gateway.supergraph.graph import Arrival, Graph


def part_of(graph: Graph, site: Site, member: str, marks: Marks | None = None) -> Site | None:
    """The site for objects of a narrower type, or for a fragment with directives.

    None when no subgraph hands out an object of the type there. A subgraph that knows the objects as an
    interface object only, and was entered for all of them, is entered anew for those of the type.
    """
    whole = member == site.type
    narrowed = [
        (slot, graph.narrow(slot.arrival, member))
        for slot in site.slots.values()
        if whole or slot.arrival in site.start or not is_interface_object(graph, slot.arrival)
    ]
    part = site.parts.get((member, marks))
    if part is None:
        if not whole and not any(arrival for _, arrival in narrowed):
            return None
        types = site.types if whole else graph.supergraph.possible.get(member, frozenset({member}))
        part = Site(site.place, member, types, whole=site, parent=site.parent, marks=marks)
        site.parts[member, marks] = part
    for slot, arrival in narrowed:
        if arrival is not None:
            part.arrive(Slot(arrival, slot.group, _draft_of(graph, slot, arrival, part)))
    return part


def _draft_of(graph: Graph, slot: Slot, arrival: Arrival, part: Site) -> Draft:
    """What a slot asks of the objects of a part: of an interface object, the same as of all."""
    whole = part.whole is not None and part.type == part.whole.type
    same = whole or is_interface_object(graph, slot.arrival)
    return slot.draft.narrow(slot.draft.type if same else arrival.type, part.marks)


def is_interface_object(graph: Graph, arrival: Arrival) -> bool:
    """Whether a subgraph knows an object as an interface object only."""
    view = graph.view(arrival)
    return view is not None and view.interface_object


def unmarked(graph: Graph, site: Site) -> Site:
    """The site for the same objects outside of all fragments with directives.

    Keys and inputs are asked for there: a directive might change their values.
    """
    if site.whole is None:
        return site
    outer = unmarked(graph, site.whole)
    if outer is site.whole and site.marks is None:
        return site
    return outer if site.type == outer.type else part_of(graph, outer, site.type) or site


def under_marks(site: Site, draft: Draft) -> Draft:
    """The part of a selection that is under the directives of all fragments around a site."""
    around: list[Marks] = []
    here: Site | None = site
    while here is not None:
        if here.marks is not None:
            around.append(here.marks)
        here = here.whole
    for marks in reversed(around):
        draft = draft.narrow(draft.type, marks)
    return draft
