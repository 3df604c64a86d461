"""Edits that break a made-up set.

The code that the oracle raises, a pattern over the SDL of one subgraph, and what takes its place.

Patterns see directives under any of the three names that drafts give them (`@key`, `@fed__key`, `@my_key`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breaker:
    """One edit, at one place or (`*`) at all places of a subgraph, and a code that it raises in made-up
    sets.
    """

    code: str
    find: str
    put: str
    everywhere: bool = False


# not the renamed ones: the oracle stops with an error of its own where a renamed @key is wrong
KEY = r'(@key\(fields: )"id"'
# a row whose line ends with a tilde goes on in the next line
ROWS = r"""
INVALID_GRAPHQL ~ ^  (\w+): Int$ ~   \1: Nothing
INVALID_GRAPHQL ~ ^  (\w+): Int$ ~   \1: Int @nothing
INVALID_GRAPHQL ~ ^type (\w+) (.*)\{$ ~ type \1 implements Nothing \2{
INVALID_GRAPHQL ~ \(by: (\w+)\): Int$ ~ (by: \1 = "x" y): Int
KEY_INVALID_FIELDS ~ KEY ~ \1"nothing"
KEY_INVALID_FIELDS ~ KEY ~ \1"id {"
KEY_INVALID_FIELDS ~ KEY ~ \1"i: id"
KEY_INVALID_FIELDS_TYPE ~ KEY ~ \1[1]
KEY_DIRECTIVE_IN_FIELDS_ARG ~ KEY ~ \1"id @skip(if: true)"
KEY_FIELDS_HAS_ARGS ~ ^  id: ID! ~   id(n: Int): ID!
INVALID_FIELD_SHARING ~ ^(  \w+: .*) @\w*shareable ~ \1
INVALID_FIELD_SHARING ~ ^(type \w+) @\w*shareable ~ \1
REQUIRES_FIELDS_MISSING_EXTERNAL ~ ^  weight: Int @\w*external ~   weight: Int
REQUIRES_INVALID_FIELDS ~ (@\w*requires\(fields: ")weight ~ \1nothing
REQUIRES_INVALID_FIELDS ~ price\(by: 2\) ~ price(at: 2)
REQUIRES_INVALID_FIELDS_TYPE ~ (@\w*requires\(fields: )"weight" ~ \1 7
REQUIRES_DIRECTIVE_IN_FIELDS_ARG ~ (@\w*requires\(fields: "weight) ~ \1 @include(if: true)
EXTERNAL_UNUSED ~ ^(  area: Int) @\w*requires.* ~ \1
EXTERNAL_TYPE_MISMATCH ~ ^  weight: Int( @\w*external) ~   weight: String\1
EXTERNAL_TYPE_MISMATCH ~ ^  weight: Int( @\w*external) ~   weight: Int!\1
EXTERNAL_ARGUMENT_MISSING ~ ^  price\(by: Int = 1\): Int$ ~   price(by: Int = 1, at: Int): Int
EXTERNAL_ARGUMENT_TYPE_MISMATCH ~ ^  price\(by: Int = 1\): Int( @\w*external) ~   price(by: Float = 1): Int\1
EXTERNAL_ARGUMENT_DEFAULT_MISMATCH ~ ^  price\(by: Int = 1\): Int( @\w*external) ~   price(by: Int = 3): Int\1
EXTERNAL_MISSING_ON_BASE ~ ^  weight: Int$ ~   heavy: Int
MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL ~ ^(  weight: Int @\w*external) ~ \1 @tag(name: "x")
PROVIDES_FIELDS_MISSING_EXTERNAL ~ ^  label: String @\w*external ~   label: String
PROVIDES_INVALID_FIELDS ~ (@\w*provides\(fields: ")label ~ \1nothing
PROVIDES_INVALID_FIELDS_TYPE ~ (@\w*provides\(fields: )"label note" ~ \1{ x: 1 }
PROVIDES_DIRECTIVE_IN_FIELDS_ARG ~ (@\w*provides\(fields: "label) ~ \1 @skip(if: false)
PROVIDES_ON_NON_OBJECT_FIELD ~ : \[?Provides\d+\]?!?( @\w*provides) ~ : Int\1
PROVIDES_FIELDS_HAS_ARGS ~ ^  label: String( @\w*external) ~   label(n: Int): String\1
OVERRIDE_LABEL_INVALID ~ label: "percent\(20\)" ~ label: "percent(200)"
OVERRIDE_LABEL_INVALID ~ label: "beta" ~ label: "9 lives"
EXTERNAL_ON_INTERFACE ~ ^(interface [^{]*\{\n  \w+: ID!) ~ \1 @external
TYPE_KIND_MISMATCH ~ ^type (Value\d+) @\w*shareable \{\n.*\n.*\n\} ~ scalar \1
TYPE_KIND_MISMATCH ~ ^input (Input\d+) \{\n(  .*\n)*\} ~ scalar \1
FIELD_TYPE_MISMATCH ~ ^(type Value\d+ .*\{\n)  x: Int!? ~ \1  x: String
FIELD_TYPE_MISMATCH ~ ^(type Value\d+ .*\{\n)  x: Int!? ~ \1  x: [Int]
FIELD_ARGUMENT_TYPE_MISMATCH ~ ^  (args\d+)\(first: Int!? = 10 ~   \1(first: String = "10"
FIELD_ARGUMENT_DEFAULT_MISMATCH ~ ^  (args\d+)\(first: Int(!?) = 10 ~   \1(first: Int\2 = 11
REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH ~ ^  (args\d+)\(first ~   \1(must: Int!, first
INPUT_FIELD_DEFAULT_MISMATCH ~ ^  first: Int = 5 ~   first: Int = 6
REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH ~ ^input (Input\d+) \{ ~ input \1 {\n  must: Int!
ENUM_VALUE_MISMATCH ~ ^(enum EnumBoth\d+ \{) ~ \1\n  BLUE
EMPTY_MERGED_ENUM_TYPE ~ ^(enum EnumIn\d+ \{)\n  RED\n  GREEN ~ \1\n  BLACK
*INTERFACE_FIELD_NO_IMPLEM ~ ^((?:interface Face\d+|type Impl\d+ implements Face\d+ [^{]*)\{) ~
\1\n  extra: Int
INTERFACE_OBJECT_USAGE_ERROR ~ ^(type Media\d+) @\w*key\(fields: "id"\) ~ \1
INTERFACE_KEY_NOT_ON_IMPLEMENTATION ~ ^(type Book\d+ implements Media\d+) @\w*key\(fields: "id"\) ~ \1
REFERENCED_INACCESSIBLE ~ ^(  secret: Hidden\w+) @inaccessible ~ \1
ONLY_INACCESSIBLE_CHILDREN ~ ^  A\n  B @inaccessible ~   A @inaccessible\n  B @inaccessible
REQUIRED_INACCESSIBLE ~ no: Int @inaccessible ~ no: Int! @inaccessible
DEFAULT_VALUE_USES_INACCESSIBLE ~ \(by: (Hidden\w+), ~ (by: \1 = { b: 1 },
DISALLOWED_INACCESSIBLE ~ ^directive @(note\d+)\(n: Int\) ~ directive @\1(n: Int @inaccessible)
QUERY_ROOT_TYPE_INACCESSIBLE ~ ^type Query \{ ~ type Query @inaccessible {
IMPLEMENTED_BY_INACCESSIBLE ~ ^(type Book\d+ [^{]*\{\n  id: ID!) ~ \1 @inaccessible
SATISFIABILITY_ERROR ~ ^(type Chain\d+ @\w*key\(fields: "a") ~ \1, resolvable: false
SATISFIABILITY_ERROR ~ ^type (Entity\d+) @\w*key\(fields: "id"\) ~ type \1
SATISFIABILITY_ERROR ~ ^(type (?:Requires|Moved|Stub)\d+ @\w*key\(fields: "id") ~ \1, resolvable: false
UNKNOWN_FEDERATION_LINK_VERSION ~ federation/v2\.\d+ ~ federation/v2.77
INVALID_LINK_IDENTIFIER ~ federation/v2\.\d+ ~ federation/2.5
INVALID_LINK_DIRECTIVE_USAGE ~ "@tag" ~ "@tags"
LINK_IMPORT_NAME_MISMATCH ~ "@tag"(?![\s\S]*@tag)([\s\S]*?^type Query \{\n) ~
{ name: "@tag", as: "@mark" }\1  mark: Int @mark(name: "x")\n
CONTEXT_NOT_SET ~ (@\w*fromContext\(field: "\$)\w+ ~ \1other
CONTEXT_INVALID_SELECTION ~ (@\w*fromContext\(field: "\$\w+) \{ unit \} ~ \1 { low { id } }
CONTEXT_INVALID_SELECTION ~ \(unit: String( @\w*fromContext) ~ (unit: Int\1
NO_CONTEXT_IN_SELECTION ~ (@\w*fromContext\(field: ")\$\w+ ~ \1
CONTEXT_NAME_INVALID ~ (@\w*context\(name: ")(\w+) ~ \1_\2
CONTEXT_NO_RESOLVABLE_KEY ~ ^(type Low\d+ @\w*key\(fields: "id") ~ \1, resolvable: false
LIST_SIZE_APPLIED_TO_NON_LIST ~ \[Int\] @listSize ~ Int @listSize
LIST_SIZE_INVALID_ASSUMED_SIZE ~ assumedSize: 4 ~ assumedSize: -4
LIST_SIZE_INVALID_SLICING_ARGUMENT ~ slicingArguments: \["first"\] ~ slicingArguments: ["last"]
DIRECTIVE_COMPOSITION_ERROR ~ (omposeDirective\(name: ")@ ~ \1
DIRECTIVE_COMPOSITION_ERROR ~ (omposeDirective\(name: ")@\w+ ~ \1@nothing
AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE ~ ^(interface Face\d+)( \{\n(?:.*\n)*) ~ \1 @authenticated\2
EXTENSION_WITH_NO_BASE ~ ^type (Member\d+) ~ extend type \1
DIRECTIVE_DEFINITION_INVALID ~ ^type Query \{ ~ directive @tag(nome: String) on OBJECT\ntype Query {
ROOT_MUTATION_USED ~ ^type Query \{ ~
schema { query: Query mutation: M }\ntype M { x: Int }\ntype Mutation { y: Int }\ntype Query {
"""


def _read(row: str) -> Breaker:
    code, find, put = row.split(" ~ ")
    return Breaker(code.removeprefix("*"), KEY if find == "KEY" else find, put, code.startswith("*"))


BREAKERS = tuple(_read(row) for row in ROWS.strip().replace(" ~\n", " ~ ").splitlines())
