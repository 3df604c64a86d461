"""Placing: a selection is put, field by field, into groups of the fetch graph.

At each object the chooser says where a field is resolved. Entering a subgraph demands the key first, a field
with @requires demands its inputs first; both are placed like fields of the client, under keys of their own
where the client's are taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count

from gateway.core.errors import PlanError
from gateway.federation.field_set import FieldSet, FieldSetField
from gateway.plan.choose import Choice, Chooser, no_plan
from gateway.plan.fetch_graph import (
    DraftField,
    DraftLookup,
    DraftSelection,
    FetchGroup,
    RequestSlot,
    ResponsePlace,
    Site,
    ancestors,
)
from gateway.plan.nodes import ContextInput, ContextSource, Path, PathStep, RepresentationField
from gateway.plan.paths import Option, Paths, Reached, Split
from gateway.plan.response_keys import names_of
from gateway.plan.run_time_types import ask_type, representation, typed_above, typed_by
from gateway.plan.site_parts import part_of, under_directives, without_directives
from gateway.request.operation import Field, Selections
from gateway.supergraph.model import ContextArgument
from gateway.supergraph.query_graph import QueryGraph, Vertex

Template = tuple[tuple[RepresentationField, ...], set[FetchGroup]]


class Placer:
    """Builds the groups of one stage of a plan."""

    def __init__(self, paths: Paths, chooser: Chooser) -> None:
        self.paths = paths
        self.graph: QueryGraph = paths.graph
        self.chooser = chooser
        self.groups: list[FetchGroup] = []
        self.context_names: dict[object, int] = {}

    def root(self, type_name: str, selections: Selections) -> Site:
        """The site of the operation's root, which every subgraph that has the root type can answer."""
        return Site(ResponsePlace((), names_of(selections)), type_name)

    def place(self, site: Site, selections: Selections) -> None:
        """Put a selection of the client's on a site."""
        split = self.split(site, selections)
        for choice in self.choose(site, split.direct, self.reached(site)):
            child, _ = self.put(site, choice, choice.field.key)
            if child is not None:
                self.place(child, choice.field.selections)
        for member, inner, directives in split.parts:
            if part := part_of(self.graph, site, member, directives):
                self.place(part, inner)

    def split(self, site: Site, selections: Selections) -> Split:
        """Divide a selection by type; make the run-time type known where it is an abstract one."""
        split = self.paths.split(site.type, selections, tuple(site.slots), self.reached(site))
        if self.graph.is_abstract(site.type) and (split.typed or typed_by(self.graph, site)):
            self.know_type(site)
            split = self.paths.split(site.type, selections, tuple(site.slots), self.reached(site))
        return split

    def reached(self, site: Site) -> Reached:
        """All vertices that can be had at a site."""
        return self.graph.reach(site.type, site.start)

    def choose(self, site: Site, fields: Sequence[Field], reached: Reached) -> list[Choice]:
        """Where each field is resolved; PlanError PLAN_NOT_FOUND when one can't be."""
        choices = self.chooser.assign(site.type, fields, site.start, reached, site.slots)
        if choices is None:
            raise no_plan(site.type, fields, self.paths.split_fields)
        return choices

    def put(
        self, site: Site, choice: Choice, key: str, apart: bool = False
    ) -> tuple[Site | None, set[FetchGroup]]:
        """Ask for a field where it was chosen; returns the site of its value, if any, and its group.

        `apart`: in a lookup of its own, where there is a key for it.
        """
        item = choice.field
        child: Site | None = None
        groups: set[FetchGroup] = set()
        for option in choice.options:
            arguments = (*item.arguments, *self.contextual(site, option))
            reference = option.edge.field.type
            new = DraftField(key, item.name, reference, arguments, item.variables, directives=item.directives)
            if option.edge.hasty:
                self.paths.hasty.add(key)
            slot = (apart and self.by_itself(site, option, new)) or self.resolving(site, option, new)
            groups.add(slot.group)
            written = slot.draft.ask(new)
            if self.graph.is_composite(item.type_name):
                child = child or self.child(site, key, item)
                vertex = self.graph.below(option.source, option.edge)
                if written.below is None:
                    written.below = DraftSelection(vertex.type)
                child.arrive(RequestSlot(vertex, slot.group, written.below))
        return child, groups

    def child(self, site: Site, key: str, item: Field) -> Site:
        """The site of a field's value; one for each key, however often it is asked for."""
        if key not in site.children:
            path = (*self.path(site), PathStep(key))
            site.children[key] = Site(
                ResponsePlace(path, site.place.names.child(key)), item.type_name, parent=site
            )
        return site.children[key]

    def path(self, site: Site) -> Path:
        """The path to a site's objects, with its restriction on their type."""
        path = site.place.path
        if site.types is None or not path:
            return path
        return (*path[:-1], replace(path[-1], types=site.types))

    def know_type(self, site: Site) -> None:
        """Ask for the run-time type of a site's objects, entering a subgraph that knows it if need be."""
        if typed_by(self.graph, site):
            return
        source = self.paths.typed_source(self.reached(site))
        if source is not None:
            ask_type(self.entered(site, source).draft)

    def resolving(self, site: Site, option: Option, new: DraftField) -> RequestSlot:
        """The slot where a field goes.

        One of its own where it needs inputs, or its key stands for something else.

        The latter happens in interface objects, whose selections have no types to tell fields apart.
        """
        if option.with_inputs:
            return self.given_inputs(site, option, new)
        slot = self.entered(site, option.source, new)
        if not slot.draft.means_other(new):
            return slot
        fields, parents = self.own_key(site, option.source)
        return self.lookup(site, Vertex(option.source.subgraph, option.source.type), fields, parents, new=new)

    def by_itself(self, site: Site, option: Option, new: DraftField) -> RequestSlot | None:
        """The slot of a lookup for one field alone; None where there is no key, or the field needs inputs."""
        came_along = self.paths.frugal and option.source in site.start
        if came_along or not self.paths.is_plain(site.type, option.source, option.edge.field.name):
            return None
        plain = Vertex(option.source.subgraph, option.source.type)
        fields, parents = self.own_key(site, option.source)
        return self.lookup(site, plain, fields, parents, new=new, apart=new.key)

    def entered(self, site: Site, source: Vertex, new: DraftField | None = None) -> RequestSlot:
        """The slot of an vertex, entered by its key if that was not done yet.

        Under the directives of a fragment that does not narrow the type, it is a part of the slot around it.
        """
        whole = site.whole
        if source in site.slots:
            return site.slots[source]
        if whole is not None and site.type == whole.type:
            slot = self.entered(whole, source, new)
            draft = slot.draft.narrow(slot.draft.type, site.directives)
            site.slots[source] = RequestSlot(source, slot.group, draft)
        else:
            site.slots[source] = self.enter(site, source, new)
        return site.slots[source]

    def enter(self, site: Site, source: Vertex, new: DraftField | None) -> RequestSlot:
        """A new slot of an vertex, by its key; root types have none."""
        key_edge = self.reached(site)[source].key_edge
        if key_edge is None:
            raise no_plan(site.type, ())
        if not key_edge.key:
            return self.root_lookup(site, source)
        fields, parents = self.demand(site, key_edge.key, self.nearer(site, source))
        return self.lookup(site, source, fields, parents, new=new)

    def nearer(self, site: Site, source: Vertex) -> Reached:
        """The vertices that can be had without, and before, a given one."""
        reached = self.reached(site)
        return {vertex: item for vertex, item in reached.items() if item.depth < reached[source].depth}

    def given_inputs(self, site: Site, option: Option, new: DraftField) -> RequestSlot:
        """A slot for a field with @requires: entered after its inputs are known, and with them."""
        reached = self.reached(site)
        fields, parents = self.demand(site, option.edge.requires, reached, inputs=True)
        key, more = self.own_key(site, option.source)
        parents |= more
        new.needs = inputs = frozenset(fields) - frozenset(key)
        contexts, above = self.contexts_of(site, option)
        parents |= above
        there = site.slots.get(option.source)
        if (
            not contexts
            and there is not None
            and option.source not in site.start
            and parents <= ancestors(there.group)
        ):
            template = representation(self.graph, site, there.group, option.source, (*key, *fields), inputs)
            if there.group.lookups[0].fits(template):
                there.group.lookups[0].represent(template)
                return there
        plain = Vertex(option.source.subgraph, option.source.type)
        return self.lookup(site, plain, (*key, *fields), parents, contexts, inputs=inputs)

    def contextual(self, site: Site, option: Option) -> tuple[tuple[str, str], ...]:
        """The arguments of a field that come from contexts, as the variables of its request."""
        arguments = option.edge.field.contexts
        inputs, _ = self.contexts_of(site, option)
        return tuple(
            (argument.name, f"${one.variable}") for argument, one in zip(arguments, inputs, strict=True)
        )

    def contexts_of(self, site: Site, option: Option) -> tuple[tuple[ContextInput, ...], set[FetchGroup]]:
        """The variables for what a field takes from contexts, and which groups bring their values."""
        made: list[ContextInput] = []
        groups: set[FetchGroup] = set()
        for argument in option.edge.field.contexts:
            sources, more = self.sources_of(site, argument)
            groups |= more
            known = (argument.type, sources)
            number = self.context_names.setdefault(known, len(self.context_names))
            made.append(ContextInput(f"{self.paths.context_prefix}{number}", argument.type, sources))
        return tuple(made), groups

    def sources_of(
        self, site: Site, argument: ContextArgument
    ) -> tuple[tuple[ContextSource, ...], set[FetchGroup]]:
        """Where a context's value lies: on the nearest objects above that set it, by their types."""
        sources: list[ContextSource] = []
        groups: set[FetchGroup] = set()
        above = site.parent
        while above is not None:
            depth = len(above.place.path)
            if self.graph.sets_context(above.type, argument.context):
                fields, more = self.demand(above, argument.selection, self.reached(above))
                return (*sources, ContextSource(depth, fields)), groups | more
            possible = self.graph.supergraph.possible.get(above.type, frozenset())
            setters = [name for name in sorted(possible) if self.graph.sets_context(name, argument.context)]
            if setters and self.graph.is_abstract(above.type):
                fields, more = self.demand_of(above, setters, argument.selection)
                sources.append(ContextSource(depth, fields))
                groups |= more
            above = above.parent
        if not sources:
            raise PlanError(f"nothing above sets the context {argument.context} here", "PLAN_NOT_FOUND")
        return tuple(sources), groups

    def own_key(self, site: Site, source: Vertex) -> Template:
        """The nearest key by which an object is looked up in the subgraph that is to resolve a field."""
        reached = self.reached(site)
        return self.demand(site, self.paths.nearest_key(site.type, source, reached), reached)

    def demand(self, site: Site, fields: FieldSet, reached: Reached, inputs: bool = False) -> Template:
        """Place what a representation is made of; returns how to make it and which groups bring it.

        Each field is placed once: requirements that share requirements would otherwise be walked once for
        every way between them.
        """
        site = without_directives(self.graph, site)
        made: list[RepresentationField] = []
        groups: set[FetchGroup] = set()
        for item in fields:
            key = (item, frozenset(reached.items()), inputs)
            if key not in site.demanded:
                site.demanded[key] = (
                    self.demand_field(site, item, reached, inputs)
                    if isinstance(item, FieldSetField)
                    else self.demand_part(site, item.type_condition or site.type, item.selections, reached)
                )
            got, more = site.demanded[key]
            made.extend(got)
            groups |= more
        return tuple(made), groups

    def demand_part(self, site: Site, condition: str, fields: FieldSet, reached: Reached) -> Template:
        """The fields that a representation has for some run-time types only."""
        if not self.graph.is_abstract(site.type):
            inside = site.type in self.graph.supergraph.possible.get(condition, ())
            return self.demand(site, fields, reached) if inside else ((), set())
        members = self.paths.members(condition, tuple(site.slots), self.graph.supergraph.possible[condition])
        return self.demand_of(site, members, fields)

    def demand_of(self, site: Site, members: Iterable[str], fields: FieldSet) -> Template:
        """What a representation is made of, for objects of each of these types by itself."""
        self.know_type(site)
        made: list[RepresentationField] = []
        groups: set[FetchGroup] = set()
        for member in members:
            if part := part_of(self.graph, site, member):
                got, more = self.demand(part, fields, self.reached(part))
                made.extend(replace(item, types=item.types or part.types) for item in got)
                groups |= more
        return tuple(made), groups

    def demand_field(self, site: Site, item: FieldSetField, reached: Reached, is_input: bool) -> Template:
        """One field of a representation."""
        if self.graph.is_abstract(site.type) and not any(
            self.graph.field_edge(one, item.name) for one in reached
        ):
            members = sorted(self.graph.supergraph.possible.get(site.type, ()))
            return self.demand_of(site, members, (item,))  # no interface has the field
        wanted = self.paths.selections_of(site.type, (item,))[0]
        if not isinstance(wanted, Field):
            raise no_plan(site.type, ())
        key = site.place.names.inner(wanted, partial(self.may_share, wanted))
        apart = is_input and self.endangers(site, item.name, key)
        plain = self.paths.plain(site.type, item.name, reached) if apart else reached
        choices = self.chooser.assign(site.type, (wanted,), site.start, plain, site.slots)
        child, groups = self.put(site, (choices or self.choose(site, (wanted,), reached))[0], key, apart)
        subgraph = min((group.subgraph for group in groups), default="")
        if child is None:
            return (RepresentationField(item.name, key, type=wanted.type, subgraph=subgraph),), groups
        below, more = self.demand(child, item.selections, self.reached(child))
        typed = self.graph.is_abstract(child.type)
        made = RepresentationField(item.name, key, below, typed=typed, type=wanted.type, subgraph=subgraph)
        return (made,), groups | more

    def endangers(self, site: Site, name: str, key: str) -> bool:
        """Whether an input is to be looked up by itself, so that its failure takes no other field along.

        A plan that is not careful asks for it where it asks for others. So does every plan where the client
        asks for it, too, and a mutation's where it comes with the object.
        """
        if key in site.place.names.asked or not self.graph.takes_along(site.type, name):
            return False
        self.paths.hasty.add(key)
        return self.graph.is_careful

    def may_share(self, wanted: Field, key: str, selections: Selections) -> bool:
        """Whether an input may have a key under which something else is selected, too.

        What fails there might make the input null, or the input what else is selected. A plan that is not
        careful takes that risk for the sake of a smaller request.
        """
        if not self.paths.endanger(wanted.type_name, wanted.selections, selections):
            return True
        if not self.graph.is_careful:
            self.paths.hasty.add(key)
        return not self.graph.is_careful

    def lookup(
        self,
        site: Site,
        source: Vertex,
        fields: tuple[RepresentationField, ...],
        parents: set[FetchGroup],
        contexts: tuple[ContextInput, ...] = (),
        new: DraftField | None = None,
        inputs: frozenset[RepresentationField] = frozenset(),
        apart: str = "",
    ) -> RequestSlot:
        """A slot in an entity lookup of a subgraph here, shared by what waits for the same groups."""
        parents = parents or {site.slots[vertex].group for vertex in site.start[:1]}
        if site.types is not None or self.graph.is_abstract(site.type):
            parents = parents | typed_by(self.graph, site)
        parents = parents | typed_above(self.graph, site)
        for number in count():
            group = self.lookup_group(site, source.subgraph, parents, contexts, number, apart)
            template = representation(self.graph, site, group, source, fields, inputs)
            draft = under_directives(site, group.lookups[0].draft.narrow(source.type))
            if group.lookups[0].fits(template) and not (new and draft.means_other(new)):
                group.lookups[0].represent(template)
                return RequestSlot(source, group, draft)
        raise AssertionError("a new group fits")

    def lookup_group(
        self,
        site: Site,
        subgraph: str,
        parents: set[FetchGroup],
        contexts: tuple[ContextInput, ...],
        number: int,
        apart: str,
    ) -> FetchGroup:
        """The entity lookup of a subgraph here that waits for these groups; `number` tells them apart."""
        mark = (subgraph, frozenset(map(id, parents)), contexts, number, apart)
        group = site.place.groups.get(mark)
        if group is None:
            group = FetchGroup(
                subgraph,
                [DraftLookup(site.place.path, DraftSelection("_Entity"), contexts=contexts, apart=apart)],
                set(parents),
            )
            site.place.groups[mark] = group
            self.groups.append(group)
        return group

    def root_lookup(self, site: Site, source: Vertex) -> RequestSlot:
        """A slot in a request for the fields of a root type."""
        parents = {site.slots[vertex].group for vertex in site.start}
        draft = DraftSelection(source.type)
        group = FetchGroup(source.subgraph, [DraftLookup(site.place.path, draft, root=True)], parents)
        self.groups.append(group)
        return RequestSlot(source, group, draft)
