"""Sets for which our composer differs from the oracle on purpose, each with the reason, and the error codes
that no set of SDLs can raise.
"""

from collections.abc import Mapping

STOPS = "the oracle stops with an exception of its own instead of a code; we refuse the set and say why"

NO_LINK = (
    "nothing in the supergraph is @inaccessible, so ours links no such spec; the oracle does, "
    "for an element that it leaves out"
)

PAGES: Mapping[str, str] = {
    "inaccessible/an element of the spec is hidden": NO_LINK,
    "inaccessible/a spec type of link is hidden": NO_LINK,
    "compose_directive/names that differ": STOPS,
    "keys/a key with a sub-selection of a scalar": STOPS,
    "keys/two errors in one key": STOPS,
    "links/a url of nothing": STOPS,
    "links/a link without url": STOPS,
    "links/the core spec with its definition": STOPS,
    "satisfiability/requires in a circle": STOPS,
    "roots/Federation 1, an extension names the query alone": (
        "the oracle writes the subgraph anew as Federation 2, and cannot parse what it has written"
    ),
    "mutations/a progressive override inside a shared mutation": (
        "one subgraph completes the mutation while the label is on, the other while it is off"
    ),
    "defaults/integers beyond 53 bits": (
        "the oracle reads them as doubles, in which they are the same; they are two defaults"
    ),
    "defaults/an ID as number and as text": STOPS,
    "own_definitions/two keys": STOPS,
    "own_definitions/link def not repeatable": STOPS,
    "own_definitions/link no url": STOPS,
    "own_definitions/core fed1": STOPS,
    "definitions/an element with a name of the join spec": (
        "the oracle adds an error without a code to the one that we report, too"
    ),
    "definitions/an enum with a name of the join spec": (
        "nothing here is @inaccessible, as the oracle's REFERENCED_INACCESSIBLE says: "
        "join__Graph is the supergraph's own name"
    ),
    "links/an unknown version of link": (
        "the document links `link` once; what is wrong is that v5.0 is unknown, "
        "as the oracle itself says where nothing else is linked"
    ),
    "links/link under another name and imported": (
        "the link spec allows it: types are under lien__, @link is imported; "
        "the oracle looks for link__Purpose, which is not there"
    ),
    "merging/one of an input object": (
        "GraphQL (September 2025) has @oneOf; our supergraph carries it with its definition, "
        "so that older tools load it, too"
    ),
    "hints/a type system directive's locations": (
        "the oracle stops: it takes one subgraph's locations and finds the directive elsewhere; "
        "ours allows what any subgraph allows"
    ),
    "merging/kinds of a type": (
        "T is an object in one subgraph and an interface in the other: "
        "that is TYPE_KIND_MISMATCH by its own definition"
    ),
    "requires_and_provides/requires with a fragment that never applies": (
        "GraphQL does not allow a fragment on a type that can't occur there: the field set is wrong, "
        "before any query is asked"
    ),
    "requires_and_provides/requires with a fragment on a type that the owner of the field never returns": (
        "no object of that type can be there, so nothing of it is needed; every query can be answered"
    ),
}

AT_HAND = (
    "the input of @requires is at hand in the subgraph that one comes from: it goes along with the key; "
    "the oracle looks for it only from the subgraph that requires it, and finds no way out of there"
)
PROVIDED = (
    "@provides gives the input of @requires in the same answer: no way back into the subgraph is needed"
)
NOT_RESOLVABLE = (
    "the oracle's plan comes back into a subgraph by a key that says `resolvable: false` there; "
    "nobody answers that request"
)

CHANCE: Mapping[str, str] = {
    "chance 115": NOT_RESOLVABLE,
    "chance 124": AT_HAND,
    "chance 274": AT_HAND,
    "chance 310": PROVIDED,
    "chance 390": AT_HAND,
}

ONCE = (
    "what the query asks for is in no subgraph that can be entered; the oracle keeps such errors for the"
    " shared mutation field by which it came to an object first, and does not come to it again from others"
)

MUTATIONS: Mapping[str, str] = dict.fromkeys(
    ("mutation 18", "mutation 72", "mutation 90", "mutation 185"), ONCE
)

CONSEQUENCES: Mapping[str, tuple[frozenset[str], str]] = {
    "TYPE_KIND_MISMATCH": (
        frozenset({"EMPTY_MERGED_INPUT_TYPE", "REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH"}),
        "which fields are common is no question where one of both definitions has none",
    ),
    **{
        f"{start}_INVALID_FIELDS{end}": (
            frozenset({"EXTERNAL_UNUSED"}),
            "what a broken field set was to use is not known: "
            "that an @external field is unused may be its consequence alone",
        )
        for start in ("KEY", "REQUIRES", "PROVIDES")
        for end in ("", "_TYPE")
    },
    "UNKNOWN_FEDERATION_LINK_VERSION": (
        frozenset({"INVALID_GRAPHQL"}),
        "of an unknown version nobody knows the directives: that they are unknown is no second error",
    ),
}

UNREACHABLE: Mapping[str, str] = {
    "UNSUPPORTED_LINKED_FEATURE": (
        "is about a supergraph that asks for a feature its reader does not have, not about subgraphs"
    ),
    "INVALID_FEDERATION_SUPERGRAPH": "is about a supergraph that is loaded, not about subgraphs",
    "DOWNSTREAM_SERVICE_ERROR": "is about answers of subgraphs while a query runs",
    "UNSUPPORTED_FEATURE": (
        "no set was found that raises it: every restriction that we know of has a code of its own by now"
    ),
    "MAX_VALIDATION_SUBGRAPH_PATHS_EXCEEDED": (
        "needs more than 1,000,000 paths at once, unless the caller sets another limit"
    ),
    "INCONSISTENT_TYPE_SYSTEM_DIRECTIVE_REPEATABLE": (
        "a composed directive is defined as in one subgraph; other ones are not merged"
    ),
    "INCONSISTENT_TYPE_SYSTEM_DIRECTIVE_LOCATIONS": (
        "a composed directive is defined as in one subgraph; other ones are not merged"
    ),
}
