"""Placing: adds each field of an operation to a group of the fetch graph.

The chooser decides where a field is resolved. Before a subgraph is entered by a key, the key fields are
placed; before a field with @requires, its inputs. Both are placed like fields that the client selects. If the
client uses their name as the key of another field, they get another response key.

Example: `{ product { stock shipping } }`; subgraph a has `product`, c has `stock`, and b has `shipping` with
`@requires(fields: "weight")`, which a resolves.

    place(Query)      product: the root lookup of a                     group 1: a {product{}}
    place(product)    stock, from c: enter c by its key `id`
      demand `id`     the vertex (a, Product) resolves it               group 1: a {product{id}}
      lookup          at `product`, Product { id }                      group 2: c {stock}, after 1
                      shipping, from b, with inputs
      demand `weight` the vertex (a, Product) resolves it               group 1: a {product{id weight}}
      lookup          at `product`, Product { id weight }               group 3: b {shipping}, after 1
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from gateway.core.errors import PlanError
from gateway.federation.field_set import FieldSet, FieldSetField
from gateway.plan.choose import Choice, Chooser, no_plan
from gateway.plan.fetch_graph import (
    DraftField,
    DraftSelection,
    FetchGroup,
    RequestSlot,
    ResponsePlace,
    Site,
    ancestors,
)
from gateway.plan.lookups import LookupGroups
from gateway.plan.nodes import ContextInput, ContextSource, Path, PathStep, RepresentationField
from gateway.plan.paths import Option, Paths, Reached, Split
from gateway.plan.response_keys import names_of
from gateway.plan.run_time_types import (
    groups_fetching_type,
    representation,
    select_typename,
)
from gateway.plan.site_parts import part_of, without_directives
from gateway.request.operation import Field, Selections
from gateway.supergraph.model import ContextArgument
from gateway.supergraph.query_graph import QueryGraph, Vertex

Template = tuple[tuple[RepresentationField, ...], set[FetchGroup]]


class Placer:
    """Creates the groups of one stage of a plan, in `lookups.groups`.

    `context_names`: a number per (type, sources) of context arguments, for the names of request variables.
    """

    def __init__(self, paths: Paths, chooser: Chooser) -> None:
        self.paths = paths
        self.graph: QueryGraph = paths.graph
        self.chooser = chooser
        self.lookups = LookupGroups(paths.graph)
        self.context_names: dict[object, int] = {}

    def root(self, type_name: str, selections: Selections) -> Site:
        """Return the site of the operation's root.

        Every subgraph that has the root type can be entered there.
        """
        keys = names_of(type_name, selections, self.graph.supergraph.possible)
        return Site(ResponsePlace((), keys), type_name)

    def place(self, site: Site, selections: Selections) -> None:
        """Place a client's selection on a site, and recursively the selections of its composite fields."""
        split = self.split(site, selections)
        for choice in self.choose(site, split.direct, self.reached(site)):
            child, _ = self.put(site, choice, choice.field.key)
            if child is not None:
                self.place(child, choice.field.selections)
        for member, inner, directives in split.parts:
            if part := part_of(self.graph, site, member, directives):
                self.place(part, inner)

    def split(self, site: Site, selections: Selections) -> Split:
        """Divide a selection by type (see `Split`); place `__typename` first if that is needed."""
        split = self.paths.split(site.type, selections, tuple(site.slots), self.reached(site))
        if self.graph.is_abstract(site.type) and (split.typed or groups_fetching_type(self.graph, site)):
            self.ensure_type_known(site)
            split = self.paths.split(site.type, selections, tuple(site.slots), self.reached(site))
        return split

    def reached(self, site: Site) -> Reached:
        """Return all vertices that can be entered at a site, directly or after other lookups."""
        return self.graph.reach(site.type, site.start)

    def choose(self, site: Site, fields: Sequence[Field], reached: Reached) -> list[Choice]:
        """Choose where each field is resolved.

        Raises PlanError, as `no_plan` creates it, if a field can't be.
        """
        choices = self.chooser.assign(site.type, fields, site.start, reached, site.slots)
        if choices is None:
            raise no_plan(site.type, fields, self.paths.split_fields)
        return choices

    def put(
        self, site: Site, choice: Choice, key: str, separate: bool = False
    ) -> tuple[Site | None, set[FetchGroup]]:
        """Select a field, under the response key `key`, by each option of a choice.

        `separate`: in a lookup of its own, if a key allows it. Returns the site of a composite value (None
        for a leaf), and the groups that fetch the field.
        """
        item = choice.field
        child: Site | None = None
        groups: set[FetchGroup] = set()
        for option in choice.options:
            arguments = (*item.arguments, *self.context_arguments(site, option))
            reference = option.edge.field.type
            new = DraftField(key, item.name, reference, arguments, item.variables, directives=item.directives)
            if option.edge.hasty:
                self.paths.hasty.add(key)
            if option.source.mixed and site.place.keys.is_ambiguous(key):
                self.paths.ambiguous = True
            slot = (separate and self.slot_alone(site, option, new)) or self.slot_for(site, option, new)
            groups.add(slot.group)
            written = slot.draft.select(new)
            if self.graph.is_composite(item.type_name):
                child = child or self.child(site, key, item)
                vertex = self.graph.below(option.source, option.edge)
                if written.below is None:
                    written.below = DraftSelection(vertex.type)
                child.add_start(RequestSlot(vertex, slot.group, written.below))
        return child, groups

    def child(self, site: Site, key: str, item: Field) -> Site:
        """Return the site of a composite field's value, the same one for every occurrence of the key."""
        if key not in site.children:
            path = (*self.path(site), PathStep(key))
            site.children[key] = Site(
                ResponsePlace(path, site.place.keys.child(key)), item.type_name, parent=site
            )
        return site.children[key]

    def path(self, site: Site) -> Path:
        """Return the path to a site's objects, with its restriction to run-time types."""
        path = site.place.path
        if site.types is None or not path:
            return path
        return (*path[:-1], replace(path[-1], types=site.types))

    def ensure_type_known(self, site: Site) -> None:
        """Place `__typename` for a site's objects; enter a subgraph that knows the type if needed."""
        if groups_fetching_type(self.graph, site):
            return
        source = self.paths.typed_source(self.reached(site))
        if source is not None:
            select_typename(self.slot_of(site, source).draft)

    def slot_for(self, site: Site, option: Option, new: DraftField) -> RequestSlot:
        """Return the slot in which to select the field `new` by an option.

        A field gets a lookup of its own when it needs inputs, or when its key stands for another field in the
        slot (of an interface object, whose selections have no type conditions that separate fields).
        """
        if option.with_inputs:
            return self.slot_with_inputs(site, option, new)
        slot = self.slot_of(site, option.source, new)
        if not slot.draft.conflicts_with(new):
            return slot
        fields, parents = self.demand_key(site, option.source)
        return self.lookups.lookup(
            site, Vertex(option.source.subgraph, option.source.type), fields, parents, new=new
        )

    def slot_alone(self, site: Site, option: Option, new: DraftField) -> RequestSlot | None:
        """Return the slot of a lookup for one field alone; None if a lookup is not possible.

        It needs a key. In a mutation, a field stays in the request that returns its object, if that has it.
        """
        came_along = self.paths.is_mutation and option.source in site.start
        has_key = self.paths.has_key(site.type, option.source, option.edge.field.name)
        if not option.with_inputs and (came_along or not has_key):
            return None
        if option.edge.requires or option.edge.field.contexts:
            return self.slot_with_inputs(site, option, new, new.key)
        plain = Vertex(option.source.subgraph, option.source.type)
        fields, parents = self.demand_key(site, option.source)
        return self.lookups.lookup(site, plain, fields, parents, new=new, separate=new.key)

    def slot_of(self, site: Site, source: Vertex, new: DraftField | None = None) -> RequestSlot:
        """Return the slot of a vertex; on first use, enter the vertex by its key to select `new`.

        In a fragment with directives on the same type, it is a nested selection of the outer site's slot.
        """
        whole = site.whole
        if source in site.slots:
            return site.slots[source]
        if whole is not None and site.type == whole.type:
            slot = self.slot_of(whole, source, new)
            draft = slot.draft.narrow(slot.draft.type, site.directives)
            site.slots[source] = RequestSlot(source, slot.group, draft)
        else:
            site.slots[source] = self.enter_by_key(site, source, new)
        return site.slots[source]

    def enter_by_key(self, site: Site, source: Vertex, new: DraftField | None) -> RequestSlot:
        """Return a new slot for a vertex: in a lookup by its key, or for a root type in a root request."""
        key_edge = self.reached(site)[source].key_edge
        if key_edge is None:
            raise no_plan(site.type, ())
        if not key_edge.key:
            return self.lookups.root_lookup(site, source)
        fields, parents = self.demand(site, key_edge.key, self.reached_before(site, source))
        return self.lookups.lookup(site, source, fields, parents, new=new)

    def reached_before(self, site: Site, source: Vertex) -> Reached:
        """Return the vertices that can be entered in fewer rounds than `source`."""
        reached = self.reached(site)
        return {vertex: item for vertex, item in reached.items() if item.depth < reached[source].depth}

    def slot_with_inputs(
        self, site: Site, option: Option, new: DraftField, separate: str = ""
    ) -> RequestSlot:
        """Return the slot for a field with @requires or context arguments; its request waits for these.

        They are added to a lookup of the vertex that waits for the same groups, if there is one.
        """
        reached = self.reached(site)
        fields, parents = self.demand(site, option.edge.requires, reached, inputs=True)
        key, more = self.demand_key(site, option.source)
        parents |= more
        new.inputs = inputs = frozenset(fields) - frozenset(key)
        contexts, above = self.contexts_of(site, option)
        parents |= above
        there = site.slots.get(option.source)
        if (
            not (contexts or separate)
            and there is not None
            and option.source not in site.start
            and parents <= ancestors(there.group)
        ):
            template = representation(self.graph, site, there.group, option.source, (*key, *fields), inputs)
            if there.group.lookups[0].fits(template):
                there.group.lookups[0].add_representation(template)
                return there
        plain = Vertex(option.source.subgraph, option.source.type)
        return self.lookups.lookup(
            site, plain, (*key, *fields), parents, contexts, inputs=inputs, separate=separate
        )

    def context_arguments(self, site: Site, option: Option) -> tuple[tuple[str, str], ...]:
        """Return a field's context arguments, with the request variables that will have their values."""
        arguments = option.edge.field.contexts
        inputs, _ = self.contexts_of(site, option)
        return tuple(
            (argument.name, f"${one.variable}") for argument, one in zip(arguments, inputs, strict=True)
        )

    def contexts_of(self, site: Site, option: Option) -> tuple[tuple[ContextInput, ...], set[FetchGroup]]:
        """Return the context variables of a field, and the groups that fetch their values."""
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
        """Return where to read a context argument's value, and the groups that fetch it.

        These are the nearest enclosing objects that set the context, several if it depends on their run-time
        types. Raises PlanError PLAN_NOT_FOUND if there are none.
        """
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
            raise PlanError(f"no enclosing object sets the context {argument.context}", "PLAN_NOT_FOUND")
        return tuple(sources), groups

    def demand_key(self, site: Site, source: Vertex) -> Template:
        """Place the key for looking up the object in a subgraph after the fewest rounds; see `demand`."""
        reached = self.reached(site)
        return self.demand(site, self.paths.nearest_key(site.type, source, reached), reached)

    def demand(self, site: Site, fields: FieldSet, reached: Reached, inputs: bool = False) -> Template:
        """Place a representation's fields; return the representation fields and the groups that fetch them.

        `inputs`: whether they are @requires inputs rather than key fields. Results are cached on the site: if
        several requirements need the same field, its own requirements are placed only once.
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
        """Place representation fields that only objects of some types have: a fragment of a field set.

        See `demand`.
        """
        if not self.graph.is_abstract(site.type):
            inside = site.type in self.graph.supergraph.possible.get(condition, ())
            return self.demand(site, fields, reached) if inside else ((), set())
        members = self.paths.members(condition, tuple(site.slots), self.graph.supergraph.possible[condition])
        return self.demand_of(site, members, fields)

    def demand_of(self, site: Site, members: Iterable[str], fields: FieldSet) -> Template:
        """Place the representation fields for objects of each of the types `members`; see `demand`."""
        self.ensure_type_known(site)
        made: list[RepresentationField] = []
        groups: set[FetchGroup] = set()
        for member in members:
            if part := part_of(self.graph, site, member):
                got, more = self.demand(part, fields, self.reached(part))
                made.extend(replace(item, types=item.types or part.types) for item in got)
                groups |= more
        if made:  # which of the fields are sent depends on the object's type
            groups |= groups_fetching_type(self.graph, site)
        return tuple(made), groups

    def demand_field(self, site: Site, item: FieldSetField, reached: Reached, is_input: bool) -> Template:
        """Place one field of a representation; see `demand`."""
        if self.graph.is_abstract(site.type) and not any(
            self.graph.field_edge(one, item.name) for one in reached
        ):
            members = sorted(self.graph.supergraph.possible.get(site.type, ()))
            return self.demand_of(site, members, (item,))  # no subgraph has the field on the abstract type
        wanted = self.paths.selections_of(site.type, (item,))[0]
        if not isinstance(wanted, Field):
            raise no_plan(site.type, ())
        key = site.place.keys.key_for(wanted, partial(self.may_share_key, wanted))
        separate = is_input and self.needs_own_lookup(site, item.name, key)
        plain = self.paths.plain(site.type, item.name, reached) if separate else reached
        choices = self.chooser.assign(site.type, (wanted,), site.start, plain, site.slots)
        child, groups = self.put(site, (choices or self.choose(site, (wanted,), reached))[0], key, separate)
        subgraph = min((group.subgraph for group in groups), default="")
        if child is None:
            return (RepresentationField(item.name, key, type=wanted.type, subgraph=subgraph),), groups
        below, more = self.demand(child, item.selections, self.reached(child))
        typed = self.graph.is_abstract(child.type)
        made = RepresentationField(item.name, key, below, typed=typed, type=wanted.type, subgraph=subgraph)
        return (made,), groups | more

    def needs_own_lookup(self, site: Site, name: str, key: str) -> bool:
        """Return whether a @requires input is looked up separately, so that its failure nulls no other field.

        Only careful plans do that; hasty ones add the key to `paths.hasty`. Neither is needed if the client
        selects the input too, on all objects here.
        """
        types = self.graph.supergraph.possible.get(site.type, frozenset())
        selected = types <= site.place.keys.client_types.get(key, frozenset())
        if selected or not self.graph.failure_nulls_parent(site.type, name):
            return False
        self.paths.hasty.add(key)
        return self.graph.is_careful

    def may_share_key(self, wanted: Field, key: str, selections: Selections) -> bool:
        """Return whether a representation field may use a key under which `selections` are selected already.

        If one of them fails, that could null the representation field, or the other way round. A hasty plan
        accepts that for a smaller request, and adds the key to `paths.hasty`; a careful plan does not.
        """
        if not self.paths.can_null_each_other(wanted.type_name, wanted.selections, selections):
            return True
        if not self.graph.is_careful:
            self.paths.hasty.add(key)
        return not self.graph.is_careful
