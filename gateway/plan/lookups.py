"""The groups of one stage of a plan, and the lookups in them. Only `place` uses it."""

from itertools import count

from gateway.plan.fetch_graph import DraftField, DraftLookup, DraftSelection, FetchGroup, RequestSlot, Site
from gateway.plan.nodes import ContextInput, RepresentationField
from gateway.plan.run_time_types import groups_fetching_type, groups_fetching_types_above, representation
from gateway.plan.site_parts import under_directives
from gateway.supergraph.query_graph import QueryGraph, Vertex


class LookupGroups:
    """Creates groups, or finds an existing group to which a field can be added.

    `groups`: all groups, in the order of their creation.
    """

    def __init__(self, graph: QueryGraph) -> None:
        self.graph = graph
        self.groups: list[FetchGroup] = []

    def lookup(
        self,
        site: Site,
        source: Vertex,
        fields: tuple[RepresentationField, ...],
        parents: set[FetchGroup],
        contexts: tuple[ContextInput, ...] = (),
        new: DraftField | None = None,
        inputs: frozenset[RepresentationField] = frozenset(),
        separate: str = "",
    ) -> RequestSlot:
        """Return a slot in an entity lookup of the vertex `source` at a site.

        Fields that wait for the same groups (`parents`) share a lookup, unless they conflict. `fields`: the
        representation; `inputs`: those of them that only a @requires needs. `new`: the field to select.
        `separate`: as in `DraftLookup`.
        """
        parents = parents or {site.slots[vertex].group for vertex in site.start[:1]}
        if site.types is not None or self.graph.is_abstract(site.type):
            parents = parents | groups_fetching_type(self.graph, site)
        parents = parents | groups_fetching_types_above(self.graph, site)
        for number in count():
            group = self.group(site, source.subgraph, parents, contexts, number, separate)
            template = representation(self.graph, site, group, source, fields, inputs)
            draft = under_directives(site, group.lookups[0].draft.narrow(source.type))
            if group.lookups[0].fits(template) and not (new and draft.conflicts_with(new)):
                group.lookups[0].add_representation(template)
                return RequestSlot(source, group, draft)
        raise AssertionError("unreachable: a new group accepts any representation")

    def group(
        self,
        site: Site,
        subgraph: str,
        parents: set[FetchGroup],
        contexts: tuple[ContextInput, ...],
        number: int,
        separate: str,
    ) -> FetchGroup:
        """Return the group with an entity lookup at a site, for exactly these arguments; create it if
        missing.

        `number` distinguishes lookups that can't be merged.
        """
        mark = (subgraph, frozenset(map(id, parents)), contexts, number, separate)
        group = site.place.groups.get(mark)
        if group is None:
            group = FetchGroup(
                subgraph,
                [
                    DraftLookup(
                        site.place.path, DraftSelection("_Entity"), contexts=contexts, separate=separate
                    )
                ],
                set(parents),
            )
            site.place.groups[mark] = group
            self.groups.append(group)
        return group

    def root_lookup(self, site: Site, source: Vertex) -> RequestSlot:
        """Return a slot in a new request for fields of a root type."""
        parents = {site.slots[vertex].group for vertex in site.start}
        draft = DraftSelection(source.type)
        group = FetchGroup(source.subgraph, [DraftLookup(site.place.path, draft, root=True)], parents)
        self.groups.append(group)
        return RequestSlot(source, group, draft)
