"""What a made-up set can hold.

Each function adds one feature of federation to some of a draft's subgraphs, with types of its own.
"""

from collections.abc import Callable

from tests.oracle.draft import Draft

ENTITY = 'type {} @key(fields: "id")'


def entity(draft: Draft) -> None:
    """An entity over several subgraphs, each with fields of its own.

    Perhaps a second key, a list, arguments.
    """
    name = draft.name("Entity")
    for index, one in enumerate(draft.pick(3, -1)):
        one.add(
            name, ENTITY.format(name), id=": ID! @shareable", **{f"{one.name}{name}": f": {draft.scalar()}"}
        )
        if index == 0 or draft.chance():
            wrap = draft.rng.choice(["{}", "[{}]", "[{}!]!", "{}!"])
            one.query(**{f"{one.name}{name}": f"(id: ID!): {wrap.format(name)}"})


def nested_key(draft: Draft) -> None:
    """A key of two parts, one of them nested."""
    name, part = draft.name("Nested"), draft.name("Part")
    for index, one in enumerate(draft.pick(3)):
        head = f'type {name} @key(fields: "id {part[0].lower()} {{ code }}")'
        one.add(name, head, id=": ID!", p=f": {part}!", **{f"{one.name}{name}": ": Int"})
        one.add(part, f"type {part} @shareable", code=": String!")
        if index == 0:
            one.query(**{f"{one.name}{name}": f": [{name}]"})


def key_chain(draft: Draft) -> None:
    """Three subgraphs of which only the middle one knows both keys."""
    name, subgraphs = draft.name("Chain"), draft.pick(3)
    if len(subgraphs) < 3:
        return
    first, middle, last = subgraphs
    first.add(name, f'type {name} @key(fields: "a")', a=": ID!")
    first.query(**{f"chain{name}": f": {name}"})
    middle.add(name, f'type {name} @key(fields: "a") @key(fields: "b")', a=": ID!", b=": ID!")
    last.add(name, f'type {name} @key(fields: "b")', b=": ID!", c=": Int")


def stub(draft: Draft) -> None:
    """A subgraph that refers to another's entity without resolving it."""
    name, subgraphs = draft.name("Stub"), draft.pick(2)
    subgraphs[0].add(name, ENTITY.format(name), id=": ID!", text=": String")
    for one in subgraphs[1:]:
        one.add(name, f'type {name} @key(fields: "id", resolvable: false)', id=": ID!")
        one.query(**{f"stub{name}": f": [{name}!]!"})


def value_type(draft: Draft) -> None:
    """A value type in several subgraphs, with nullability and lists that differ where they may."""
    name = draft.name("Value")
    for one in draft.pick(3):
        one.add(
            name, f"type {name} @shareable",
            x=": Int" + draft.rng.choice(["", "!"]),
            y=": " + draft.rng.choice(["[Int]", "[Int!]", "[Int!]!"]),
        )  # fmt: skip
        one.query(**{f"{one.name}{name}": f": {name}"})


def requires(draft: Draft) -> None:
    """A field that requires others' fields: plain, nested, with an argument."""
    name, part, subgraphs = draft.name("Requires"), draft.name("Size"), draft.pick(2)
    if len(subgraphs) < 2:
        return
    owner, user = subgraphs
    owner.query(**{f"one{name}": f": {name}"})
    for one, external in ((owner, ""), (user, " @external")):
        one.add(
            name,
            ENTITY.format(name),
            id=": ID!",
            weight=f": Int{external}",
            price=f"(by: Int = 1): Int{external}",
        )
        one.add(name, "", part=f": {part}{external}")
        one.add(part, f"type {part}", wide=f": Int!{external}", high=f": Int{external}")
    user.add(name, "", cost=': Int @requires(fields: "weight price(by: 2)")')
    user.add(name, "", area=': Int @requires(fields: "part { wide high }")')
    if draft.chance():
        user.add(name, "", total=': Float @requires(fields: "weight")')


def provides(draft: Draft) -> None:
    """A field that provides what is another's: on an object, a list, a nested object."""
    name, subgraphs = draft.name("Provides"), draft.pick(2)
    if len(subgraphs) < 2:
        return
    owner, giver = subgraphs
    owner.add(name, ENTITY.format(name), id=": ID!", label=": String @shareable", note=": Int @shareable")
    giver.add(name, ENTITY.format(name), id=": ID!", label=": String @external", note=": Int @external")
    reference = draft.rng.choice(["[{}]", "{}", "{}!"]).format(name)
    giver.query(**{f"given{name}": f': {reference} @provides(fields: "label note")'})


def override(draft: Draft) -> None:
    """A field taken over from another subgraph, perhaps step by step, perhaps one that is already gone."""
    name, subgraphs = draft.name("Moved"), draft.pick(2)
    if len(subgraphs) < 2:
        return
    new, old = subgraphs
    label = (
        f', label: "{draft.rng.choice(["percent(20)", "beta"])}"'
        if new.at_least(7) and draft.chance()
        else ""
    )
    new.add(
        name,
        ENTITY.format(name),
        id=": ID!",
        moved=f': Int @override(from: "{old.name}"{label})',
        own=": Int",
    )
    old.add(
        name,
        ENTITY.format(name),
        id=": ID!",
        kept=": Int",
        **({"moved": ": Int"} if label or draft.chance(0.7) else {}),
    )
    old.query(**{f"moved{name}": f": {name}"})


def interface(draft: Draft) -> None:
    """An interface with implementations over several subgraphs."""
    name, first, second = draft.name("Face"), draft.name("Impl"), draft.name("Impl")
    for one in draft.pick(3, -1):
        one.add(name, f"interface {name}", id=": ID!", title=": String")
        for impl in (first, second):
            head = f'type {impl} implements {name} @key(fields: "id")'
            one.add(
                impl,
                head,
                id=": ID! @shareable",
                title=": String @shareable",
                **{f"{one.name}{impl}": ": Int"},
            )
        one.query(**{f"{one.name}{name}": f": [{name}]"})
    for one in draft.pick(1):
        own = draft.name("Own")
        one.add(name, f"interface {name}", id=": ID!", title=": String")
        one.add(own, f"type {own} implements {name}", id=": ID!", title=": String")
        one.query(**{f"q{own}": f": {own}"})


def interface_object(draft: Draft) -> None:
    """An interface that another subgraph treats as one object."""
    name, impl, subgraphs = draft.name("Media"), draft.name("Book"), draft.pick(2)
    if len(subgraphs) < 2:
        return
    owner, other = subgraphs
    owner.add(name, f'interface {name} @key(fields: "id")', id=": ID!", title=": String")
    for each in (impl, f"{impl}s"):
        owner.add(each, f'type {each} implements {name} @key(fields: "id")', id=": ID!", title=": String")
    owner.query(**{f"media{name}": f": [{name}!]"})
    other.add(name, f'type {name} @key(fields: "id") @interfaceObject', id=": ID!", stars=": Int")
    if draft.chance():
        other.add(name, "", title=": String @external", long=': Boolean @requires(fields: "title")')
    if draft.chance():
        other.query(**{f"rated{name}": f": [{name}]"})


def union(draft: Draft) -> None:
    """A union whose members differ between subgraphs."""
    name, common = draft.name("Any"), draft.name("Common")
    for one in draft.pick(3):
        own = draft.name("Member")
        one.lines.append(f"union {name} = {common} | {own}")
        one.add(common, f"type {common} @shareable", x=": Int")
        one.add(own, ENTITY.format(own), id=": ID!")
        one.query(**{f"{one.name}{name}": f": {name}"})


def enum(draft: Draft) -> None:
    """Enums: for output their values are united, for input intersected, for both alike."""
    use = draft.rng.choice(["Out", "In", "Both"])
    name = draft.name(f"Enum{use}")
    for one in draft.pick(3, -1):
        extra = {} if use == "Both" else {f"ONLY_{one.name.upper()}": ""}
        one.add(name, f"enum {name}", RED="", GREEN="", **extra)
        one.query(**{f"{one.name}{name}": f"(by: {name}): Int" if use == "In" else f": {name}"})
        if use == "Both":
            one.query(**{f"{one.name}by{name}": f"(by: [{name}!]): Int"})


def inputs(draft: Draft) -> None:
    """Input objects that are intersected; non-null and defaults as they may differ."""
    name = draft.name("Input")
    default = draft.rng.choice(["", " = 5"])
    for one in draft.pick(3, -1):
        lines = {"text": ": String" + draft.rng.choice(["", "!"]), "first": f": Int{default}"}
        if draft.chance():
            lines[f"{one.name}Only"] = ": Boolean = true"
        one.add(name, f"input {name}", **lines)
        one.query(**{f"{one.name}{name}": f"(by: {name}): Int"})


def arguments(draft: Draft) -> None:
    """A shared field whose optional arguments differ, with a default, an object as default, a list."""
    name = draft.name("args")
    for one in draft.pick(3):
        extra = draft.rng.choice(["", ", more: String", ", last: [Int!] = [1, 2]"])
        null = draft.rng.choice(["", "!"])
        one.query(**{name: f"(first: Int{null} = 10{extra}): Int @shareable"})


def hidden(draft: Draft) -> None:
    """Elements of every kind that clients do not see."""
    name = draft.name("Hidden")
    for one in draft.pick(2):
        own = f"{name}{one.name.upper()}"
        one.add(
            own,
            ENTITY.format(own),
            id=": ID! @inaccessible",
            seen=": Int",
            secret=f": {own}Secret @inaccessible",
        )
        one.add(f"{own}Secret", f"type {own}Secret @inaccessible", x=": Int")
        one.add(f"{own}Enum", f"enum {own}Enum", A="", B=" @inaccessible")
        one.add(f"{own}In", f"input {own}In", a=": Int", b=": Int @inaccessible")
        one.query(**{f"q{own}": f"(by: {own}In, no: Int @inaccessible): {own}", f"e{own}": f": {own}Enum"})


def tags(draft: Draft) -> None:
    """Tags on types, fields, arguments, values; some the same in two subgraphs."""
    name = draft.name("Tagged")
    for one in draft.pick(2):
        one.add(
            name,
            f'type {name} @shareable @tag(name: "all") @tag(name: "{one.name}")',
            x=': Int @tag(name: "x")',
        )
        one.add(f"{name}E", f'enum {name}E @tag(name: "enum")', A=' @tag(name: "value")')
        one.query(
            **{f"{one.name}{name}": f'(by: {name}E @tag(name: "argument")): {name} @tag(name: "field")'}
        )


def descriptions(draft: Draft) -> None:
    """Descriptions in one subgraph, the same in two, or different ones."""
    name = draft.name("Described")
    for one in draft.pick(3):
        said = draft.rng.choice(["", "said", "said otherwise"])
        text = f'"{said}" ' if said else ""
        one.add(
            name,
            f"{text}type {name} @shareable",
            x=': Int @deprecated(reason: "old")' if draft.chance(0.3) else ": Int",
        )
        one.types[name].lines["y"] = f"{text}y: Int"
        one.query(**{f"{one.name}{name}": f": {name}"})


def scalars(draft: Draft) -> None:
    """A scalar of one's own, with or without the address of its definition."""
    name, url = (
        draft.name("Scalar"),
        draft.rng.choice(["", ' @specifiedBy(url: "https://example.com/scalar")']),
    )
    for one in draft.pick(3, -1):
        one.lines.append(f"scalar {name}{url if one.version else ''}")
        one.query(**{f"{one.name}{name}": f"(by: {name}): {name}"})


def deprecations(draft: Draft) -> None:
    """Deprecated fields, values, and optional arguments."""
    for one in draft.pick(2, -1):
        name = draft.name("Old")
        one.add(name, f"enum {name}", A=' @deprecated(reason: "not any more")', B="")
        one.query(**{f"q{name}": f'(by: Int @deprecated(reason: "no")): {name} @deprecated'})


def security(draft: Draft) -> None:
    """@authenticated, @requiresScopes and @policy on fields, types, enums and scalars."""
    name = draft.name("Guarded")
    for one in draft.pick(2, 6):
        scopes = draft.rng.choice(['[["read"]]', '[["read", "write"], ["admin"]]'])
        one.add(
            name,
            ENTITY.format(name),
            id=": ID!",
            **{f"{one.name}x": f": Int @requiresScopes(scopes: {scopes})"},
        )
        one.add(name, "", open=f': {name}E @shareable @policy(policies: [["{one.name}"]])')
        one.add(f"{name}E", f"enum {name}E @authenticated", A="")
        one.query(**{f"{one.name}{name}": f": {name} @authenticated"})


def costs(draft: Draft) -> None:
    """@cost and @listSize, different in two subgraphs."""
    name = draft.name("Cost")
    for one in draft.pick(2, 9):
        one.add(
            name,
            f"type {name} @shareable @cost(weight: {draft.rng.randint(1, 9)})",
            x=": [Int] @listSize(assumedSize: 4)",
        )
        one.query(**{f"{one.name}{name}": f'(first: Int): [{name}] @listSize(slicingArguments: ["first"])'})
        one.query(**{f"s{name}": f": Int @shareable @cost(weight: {draft.rng.randint(1, 9)})"})


def context(draft: Draft) -> None:
    """An argument that is filled from a type further up."""
    for one in draft.pick(1, 8):
        top, low = draft.name("Top"), draft.name("Low")
        name = top.lower()
        one.add(
            top,
            f'type {top} @key(fields: "id") @context(name: "{name}")',
            id=": ID!",
            unit=": String!",
            low=f": {low}",
        )
        one.add(
            low,
            ENTITY.format(low),
            id=": ID!",
            price=f'(unit: String @fromContext(field: "${name} {{ unit }}")): Int',
        )
        one.query(**{f"q{top}": f": {top}"})


def composed(draft: Draft) -> None:
    """A directive of one's own that is carried into the supergraph."""
    name = draft.name("note").lower()
    for one in draft.pick(2, 1):
        compose = f'@{one.local("composeDirective")}(name: "@{name}")'
        one.schema += f' @link(url: "https://example.com/{name}/v1.0", import: ["@{name}"]) {compose}'
        one.lines.append(f"directive @{name}(n: Int) on FIELD_DEFINITION | OBJECT")
        one.query(**{f"{one.name}{name}": f": Int @{name}(n: {draft.rng.randint(1, 3)})"})


def executable(draft: Draft) -> None:
    """An executable directive, in all subgraphs or not, for places that differ."""
    name = draft.name("exec").lower()
    for one in draft.subgraphs:
        if draft.chance(0.8):
            places = draft.rng.choice(["FIELD", "FIELD | QUERY", "QUERY | FIELD | INLINE_FRAGMENT"])
            one.lines.append(f"directive @{name}(n: Int) on {places}")


def mutations(draft: Draft) -> None:
    """Mutations and subscriptions, each in one subgraph."""
    for one in draft.pick(2, -1):
        name = draft.name("do")
        one.add("Mutation", "type Mutation", **{f"{name}{one.name}": "(n: Int!): Boolean"})
        if draft.chance():
            one.add("Subscription", "type Subscription", **{f"{name}{one.name}": ": Int"})


def cache_tags(draft: Draft) -> None:
    """@cacheTag on a root field and on an entity."""
    for one in draft.pick(1, 12):
        name = draft.name("Cached")
        one.add(name, f'{ENTITY.format(name)} @cacheTag(format: "c-{{$key.id}}")', id=": ID!")
        one.query(**{f"q{name}": f'(id: ID!): {name} @cacheTag(format: "q-{{$args.id}}")'})


def extended(draft: Draft) -> None:
    """Federation 1: an entity that another subgraph extends, whose key is external there."""
    old = [one for one in draft.subgraphs if one.version is None]
    if old:
        name, one = draft.name("Base"), draft.rng.choice(old)
        owner = next(other for other in draft.subgraphs if other is not one)
        owner.add(name, ENTITY.format(name), id=": ID!", x=": Int")
        owner.query(**{f"q{name}": f": {name}"})
        head = draft.rng.choice([f"extend {ENTITY.format(name)}", f"{ENTITY.format(name)} @extends"])
        one.add(name, head, id=": ID! @external", x=": Int @external")
        one.add(name, "", more=': Int @requires(fields: "x")')


FEATURES: tuple[Callable[[Draft], None], ...] = (
    entity, nested_key, key_chain, stub, value_type, requires, provides, override, interface,
    interface_object, union, enum, inputs, arguments, hidden, tags, descriptions, scalars, deprecations,
    security, costs, context, composed, executable, mutations, cache_tags, extended,
)  # fmt: skip
