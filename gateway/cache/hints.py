"""What the supergraph and the settings say about caching a subgraph request, before any reply has arrived.

The rules for lifetimes are those of @cacheControl as Apollo Server applies them: the smallest `maxAge` along
all paths counts; a root field, and a field with a composite type, without a hint on field or type, has the
default lifetime; `inheritMaxAge` and scalar fields without a hint use that of their parent. One PRIVATE makes
the whole request private.

Example: with `type User @key(fields: "id") @cacheControl(maxAge: 60) { id: ID! name: String! mail: String!
@cacheControl(maxAge: 10, scope: PRIVATE) }` the request `{_entities(...){...on User{name mail}}}` has the
lifetime 10 and is private.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from graphql import FieldNode, GraphQLError, InlineFragmentNode, OperationDefinitionNode, parse
from graphql.language import SelectionNode

from gateway.cache.embedded import Finder, entity_keys, finders_of
from gateway.settings import CacheSettings, TypeCacheSettings
from gateway.supergraph.metadata import CacheHint, ElementMetadata
from gateway.supergraph.model import Key, SubgraphType, Supergraph

ENTITIES = "_entities"
_NO_SETTINGS = TypeCacheSettings()


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """One entity type of a lookup.

    `keys`: those of the subgraph. `tags`: the templates of its tags (@cacheTag). `finders`: find the entities
    embedded in it. `names`: the types that it may have: several for an interface object.
    """

    keys: tuple[Key, ...]
    tags: tuple[str, ...] = ()
    finders: tuple[Finder, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What is known about one subgraph request.

    - `lifetime`: the smallest explicit lifetime in seconds; None if nothing states one.
    - `complete`: whether every root field and composite field has a lifetime, so that a reply without headers
      may be stored.
    - `private`: whether a hint or a setting says PRIVATE. `stores`: whether replies may be stored at all.
    - `types`: the composite types in the request, sorted. `entities`: by the entity types of its lookups.
    - `root_tags`: pairs of a root field's node and a template of a tag.
    - `finders`: find the entities in the data of root fields.
    - `meaning`: a digest of all that decides what the request returns, besides its text.
    """

    lifetime: float | None
    complete: bool
    private: bool
    stores: bool
    types: tuple[str, ...]
    entities: Mapping[str, EntityFacts]
    root_tags: tuple[tuple[FieldNode, str], ...]
    meaning: bytes
    finders: tuple[Finder, ...] = ()


def request_facts(supergraph: Supergraph, settings: CacheSettings, subgraph: str, text: str) -> RequestFacts:
    """Return what is known about a request to a subgraph. Raises ValueError for a text that is no query."""
    try:
        definition = parse(text, no_location=True).definitions[0]
    except GraphQLError as error:
        raise ValueError(error.message) from error
    if not isinstance(definition, OperationDefinitionNode) or definition.operation.value != "query":
        raise ValueError("expected a query")
    return _Reader(supergraph, settings, subgraph).read(definition)


class _Reader:
    """Reads one request, from the root to the leaves."""

    def __init__(self, supergraph: Supergraph, settings: CacheSettings, subgraph: str) -> None:
        self.metadata = supergraph.metadata
        self.supergraph = supergraph
        self.subgraph = subgraph
        self.types = supergraph.subgraphs[subgraph].types
        self.settings = settings
        own = settings.subgraphs.get(subgraph)
        self.stores = own is None or own.enabled
        self.by_type = {**settings.types, **(own.types if own is not None else {})}
        self.lifetimes: list[float] = []
        self.complete = True
        self.private = False
        self.seen: set[str] = set()
        self.entities: dict[str, EntityFacts] = {}
        self.keys = entity_keys(supergraph)
        self.root_tags: list[tuple[FieldNode, str]] = []
        self.meaning = blake2b(digest_size=16)

    def read(self, operation: OperationDefinitionNode) -> RequestFacts:
        root = self.supergraph.roots["query"]
        for item in _fields(operation.selection_set.selections):
            if item.name.value == ENTITIES:
                self.lookup(item)
            else:
                self.root_tags += [(item, one) for one in self.of_field(root, item.name.value).cache_tags]
                self.field(root, item, is_root=True)
        return RequestFacts(
            min(self.lifetimes, default=None),
            self.complete,
            self.private,
            self.stores,
            tuple(sorted(self.seen)),
            self.entities,
            tuple(self.root_tags),
            self.meaning.digest(),
            finders_of(self.types, self.keys, root, operation.selection_set.selections),
        )

    def lookup(self, item: FieldNode) -> None:
        """Read an `_entities` field: each of its fragments is on an entity type."""
        for one in item.selection_set.selections if item.selection_set else ():
            if isinstance(one, InlineFragmentNode) and one.type_condition is not None:
                name = one.type_condition.name.value
                kind = self.types.get(name)
                finders = finders_of(self.types, self.keys, name, one.selection_set.selections)
                for entity in sorted({name} | (set(kind.possible) if kind is not None else set())):
                    self.entity(entity, self.types.get(entity) or kind, finders)
                self.value(name, None)
                self.selections(name, one.selection_set.selections)

    def entity(self, name: str, kind: SubgraphType | None, finders: tuple[Finder, ...]) -> None:
        """Add what is known about one entity type; several lookups of a request may have the same type."""
        before = self.entities.get(name)
        if before is not None:
            finders = (*before.finders, *finders)
        is_interface = kind is not None and kind.interface_object
        names = self.supergraph.possible.get(name, frozenset()) if is_interface else frozenset()
        tags = (*self.metadata.of_type(name).cache_tags, *self.own(name).tags)
        self.entities[name] = EntityFacts(_keys(kind), tags, finders, (name, *sorted(names - {name})))

    def selections(self, parent: str, items: Sequence[SelectionNode]) -> None:
        for item in items:
            if isinstance(item, FieldNode):
                self.field(parent, item)
            elif isinstance(item, InlineFragmentNode):
                narrowed = item.type_condition.name.value if item.type_condition else parent
                if narrowed != parent:
                    self.hint(narrowed, self.metadata.of_type(narrowed).cache)
                    self.seen.add(narrowed)
                self.selections(narrowed, item.selection_set.selections)

    def field(self, parent: str, item: FieldNode, is_root: bool = False) -> None:
        """Read a field of an object type, and its value."""
        name = item.name.value
        if name == "__typename":
            return
        kind = self.types.get(parent)
        definition = kind.fields.get(name) if kind is not None else None
        type_name = definition.type_name if definition is not None else ""
        self.meaning.update(f"{parent}.{name}:{definition.type if definition else '?'};".encode())
        hint = self.of_field(parent, name).cache
        if self.supergraph.kinds.get(type_name) in ("object", "interface", "union"):
            self.value(type_name, hint)
            if item.selection_set is not None:
                self.selections(type_name, item.selection_set.selections)
        else:
            self.hint(None, hint)
            if is_root and (hint is None or hint.max_age is None) and not (hint and hint.inherit):
                self.complete = False

    def value(self, type_name: str, hint: CacheHint | None) -> None:
        """Read the hints for a composite value: the field's, else the type's; settings replace the type's."""
        self.seen.add(type_name)
        kind = self.types.get(type_name)
        self.seen.update(kind.possible if kind is not None else ())
        of_type = self.metadata.of_type(type_name).cache
        known = self.hint(None, hint)
        if hint is None or hint.max_age is None:
            known = self.hint(type_name, of_type) or known
        else:
            self.private = self.private or bool(of_type and of_type.scope == "PRIVATE")
        inherits = (hint is not None and hint.inherit) or (of_type is not None and of_type.inherit)
        if not known and not inherits:
            self.complete = False

    def hint(self, type_name: str | None, hint: CacheHint | None) -> bool:
        """Apply one hint, and the settings of a type; return whether they state a lifetime."""
        given = self.own(type_name)
        age = given.lifetime if given.lifetime is not None else hint.max_age if hint is not None else None
        if age is not None:
            self.lifetimes.append(float(age))
        if given.private or (hint is not None and hint.scope == "PRIVATE"):
            self.private = True
        self.stores = self.stores and given.enabled
        return age is not None

    def own(self, type_name: str | None) -> TypeCacheSettings:
        """Return the settings of a type."""
        return _NO_SETTINGS if type_name is None else self.by_type.get(type_name, _NO_SETTINGS)

    def of_field(self, parent: str, name: str) -> ElementMetadata:
        """Return the metadata of a field, with what the settings say about it (`Type.field`)."""
        found = self.metadata.of_field(parent, name)
        given = self.by_type.get(f"{parent}.{name}")
        if given is None:
            return found
        self.stores = self.stores and given.enabled
        self.private = self.private or given.private
        age = found.cache.max_age if given.lifetime is None and found.cache else given.lifetime
        scope = "PRIVATE" if given.private else found.cache.scope if found.cache else None
        return ElementMetadata(
            cache=CacheHint(None if age is None else int(age), scope),
            cache_tags=(*found.cache_tags, *given.tags),
        )


def _fields(items: Sequence[SelectionNode]) -> Iterator[FieldNode]:
    for item in items:
        if isinstance(item, FieldNode):
            yield item
        elif isinstance(item, InlineFragmentNode):
            yield from _fields(item.selection_set.selections)


def _keys(kind: SubgraphType | None) -> tuple[Key, ...]:
    return kind.keys if kind is not None else ()
