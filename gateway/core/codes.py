"""The table of error codes: what each means, and what a person does about it.

Composition codes are those that Apollo publishes for Federation 2
(https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/errors).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One code: where it comes from (request, subgraph, composition, gateway), its meaning, the next step."""

    name: str
    area: str
    meaning: str
    next_step: str


def _codes(area: str, rows: str) -> dict[str, Code]:
    table = {}
    for row in rows.strip().splitlines():
        name, meaning, next_step = (cell.strip() for cell in row.split("|"))
        table[name] = Code(name, area, meaning, next_step)
    return table


_REQUEST = """
BAD_REQUEST | The HTTP request is not a GraphQL request. | Send a JSON object with a string `query`, or GET with ?query=.
INVALID_JSON | The body is not JSON. | Look at the position named in the message.
REQUEST_TOO_LARGE | The body or the operation is over the limit. | Send less at a time, or raise the limit: --limit body=BYTES.
UNSUPPORTED_MEDIA_TYPE | The body's content type is not application/json. | Set `Content-Type: application/json`.
UNSUPPORTED_CONTENT_ENCODING | The body's encoding can't be read. | Use one of the reply's Accept-Encoding.
NOT_ACCEPTABLE | No media type of the Accept header can be served. | Accept application/graphql-response+json or application/json.
METHOD_NOT_ALLOWED | The method does not fit the operation. | Use POST; GET is for queries alone.
GRAPHQL_PARSE_FAILED | The operation is not valid GraphQL syntax. | Look at the line and column named.
GRAPHQL_VALIDATION_FAILED | The operation does not fit the schema. | Compare it with the schema in GraphiQL.
OPERATION_RESOLUTION_FAILURE | No operation, or more than one and no operationName. | Name one operation of the document.
BAD_USER_INPUT | A variable's value does not fit its type. | Correct the variable named in the message.
PERSISTED_QUERY_NOT_SUPPORTED | Persisted queries are not kept. | Send the document itself in `query`.
INTROSPECTION_DISABLED | Introspection is off here. | Use the schema that the team publishes, or a gateway without --production.
SUBSCRIPTIONS_NOT_SERVED | Subscriptions are not served by this version. | Ask with a query.
TOO_COMPLEX | The operation is over a limit of depth, tokens, aliases or fragments. | Ask in several smaller operations, or raise it: --limit depth=N, tokens=N, aliases=N, selections=N or introspection=N.
PLAN_LIMIT_EXCEEDED | Planning the operation would take more paths than allowed. | Ask in several smaller operations, or raise the limit: --limit paths=NUMBER.
PLAN_NOT_FOUND | No way through the subgraphs answers this operation. | Compose the supergraph anew: satisfiability should have refused it.
INTERFACE_FIELD_SPLIT | No subgraph answers an interface's field for all types. | Select it by type: ... on T.
NOT_FOUND | There is nothing at this address. | The GraphQL endpoint is /graphql.
"""

_SUBGRAPH = """
SUBGRAPH_UNREACHABLE | The subgraph could not be reached. | See that it runs and that its address is right (--subgraph-url NAME=URL).
SUBGRAPH_TIMEOUT | The subgraph did not answer in time. | Look at the subgraph's own log, or give it more time: --timeout SECONDS.
SUBGRAPH_OVERLOADED | More requests wait for the subgraph than may. | See why it answers slowly, or raise --wire connections=NUMBER and --wire queue=NUMBER.
SUBGRAPH_HTTP_ERROR | The subgraph answered with a redirect, or with an HTTP error and no errors of GraphQL. | Correct the address after a redirect; else look at the subgraph's own log.
SUBGRAPH_BAD_RESPONSE | The subgraph's answer is not a GraphQL response. | See that the address is the subgraph's GraphQL endpoint.
SUBGRAPH_ERROR | The subgraph reported an error without a code of its own. | Look at the subgraph's own log.
SUBGRAPH_WRONG_VALUE | A value does not fit the type that the subgraph's schema gives the field. | Mend the subgraph's resolver, or its schema.
NULL_IN_NON_NULL | A field that can't be null was null, without an error of the subgraph. | Mend the subgraph's resolver, or make the field nullable.
INTERNAL_SERVER_ERROR | A mistake of the gateway itself. | Report it with the id; the log has the details under it.
"""

_SAGAS = """
INVALID_SAGA | A saga is not defined as it has to be. | Give it steps with names of their own, and each version once.
UNKNOWN_SAGA | There is no such saga. | Look at its id, or at the types of sagas that are configured.
SAGA_STATE | The saga is in a state in which this makes no sense. | Look at its status first.
INVALID_KEY | The idempotency key is none. | Send one of 1 to 200 characters, a new one for each thing that is to happen once.
IDEMPOTENCY_KEY_REUSED | The idempotency key was used with another input. | Send the same input again, or take a new key for a new thing.
PAYLOAD_INVALID | A saga's input or a step's result is no JSON. | Give plain values.
PAYLOAD_TOO_LARGE | A saga's input or a step's result is over the limit of 64 kB. | Keep it elsewhere, and give its id.
"""

_GATEWAY = """
INVALID_SUPERGRAPH | The supergraph SDL cannot be loaded. | Compose it anew with a tool that writes the join spec, v0.2 to v0.5.
UNSUPPORTED_FEATURE | The supergraph asks for a feature that this gateway does not enforce. | Remove the feature, or serve it with a version that has it.
UNKNOWN_SUBGRAPH | A subgraph is named that the supergraph does not have. | Use one of the names in the message.
BAD_OPTION | An option's value cannot be used. | See --help.
FILE_NOT_READABLE | A file cannot be read. | See that it exists and may be read.
ADDRESS_IN_USE | The port is taken. | Choose another one with --port, or stop what listens there.
"""

_COMPOSITION = """
INVALID_GRAPHQL | The SDL is not valid GraphQL. | Mend the place named.
UNKNOWN_FEDERATION_LINK_VERSION | @link names a version of the federation spec that is not known. | Use v2.0 to v2.14.
UNKNOWN_LINK_VERSION | @link names a version of the link spec that is not known. | Use v1.0.
INVALID_LINK_DIRECTIVE_USAGE | @link is used in a way its spec does not allow. | Mend its arguments.
INVALID_LINK_IDENTIFIER | The url of a @link is not a spec's url. | It ends in /name/vMAJOR.MINOR.
REFERENCED_INACCESSIBLE | Something visible refers to something @inaccessible. | Make both visible, or both inaccessible.
DEFAULT_VALUE_USES_INACCESSIBLE | A visible default value uses an @inaccessible element. | Change the default.
ONLY_INACCESSIBLE_CHILDREN | All children of a visible type are @inaccessible. | Mark the type itself.
QUERY_ROOT_TYPE_INACCESSIBLE | The query root is @inaccessible. | Remove the directive there.
REQUIRED_INACCESSIBLE | A required argument or input field is @inaccessible. | Give it a default, or make it visible.
IMPLEMENTED_BY_INACCESSIBLE | An @inaccessible field implements a visible interface field. | Mark the interface's field, too.
KEY_INVALID_FIELDS | @key's fields are not a valid selection of its type. | Mend the field set.
KEY_INVALID_FIELDS_TYPE | @key's fields are not a string. | Write fields: "id".
KEY_FIELDS_HAS_ARGS | @key selects a field that has arguments. | Use a field without arguments.
KEY_FIELDS_SELECT_INVALID_TYPE | @key selects an interface or a union. | Use plain or object fields.
KEY_DIRECTIVE_IN_FIELDS_ARG | @key's fields hold a directive. | Remove it.
KEY_UNSUPPORTED_ON_INTERFACE | @key on an interface needs federation 2.3. | Link v2.3 or newer.
PROVIDES_INVALID_FIELDS | @provides' fields are not a valid selection of the field's type. | Mend the field set.
PROVIDES_INVALID_FIELDS_TYPE | @provides' fields are not a string. | Write fields: "name".
PROVIDES_FIELDS_HAS_ARGS | @provides selects a field that has arguments. | Use a field without arguments.
PROVIDES_FIELDS_MISSING_EXTERNAL | @provides selects a field that is not @external. | Mark the field @external here.
PROVIDES_DIRECTIVE_IN_FIELDS_ARG | @provides' fields hold a directive. | Remove it.
PROVIDES_ON_NON_OBJECT_FIELD | @provides stands on a field of a scalar or enum type. | Remove it.
PROVIDES_UNSUPPORTED_ON_INTERFACE | @provides stands on a field of an interface. | Put it on the implementing types.
REQUIRES_INVALID_FIELDS | @requires' fields are not a valid selection of the type. | Mend the field set.
REQUIRES_INVALID_FIELDS_TYPE | @requires' fields are not a string. | Write fields: "weight".
REQUIRES_FIELDS_MISSING_EXTERNAL | @requires selects a field that is not @external. | Mark the field @external here.
REQUIRES_DIRECTIVE_IN_FIELDS_ARG | @requires' fields hold a directive. | Remove it.
REQUIRES_UNSUPPORTED_ON_INTERFACE | @requires stands on a field of an interface. | Put it on the implementing types.
EXTERNAL_UNUSED | A field is @external and nothing here uses it. | Remove the field, or use it in @key, @requires or @provides.
EXTERNAL_TYPE_MISMATCH | An @external field's type differs from the owner's. | Give it the owner's type.
EXTERNAL_ARGUMENT_MISSING | An @external field lacks an argument of the owner's. | Add the argument.
EXTERNAL_ARGUMENT_TYPE_MISMATCH | An argument of an @external field has another type. | Give it the owner's type.
EXTERNAL_ARGUMENT_DEFAULT_MISMATCH | An argument of an @external field has another default. | Give it the owner's default.
EXTERNAL_ON_INTERFACE | @external stands on a field of an interface. | Put it on the implementing types.
EXTERNAL_MISSING_ON_BASE | A field is @external everywhere: nobody owns it. | Remove @external in the subgraph that resolves it.
EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE | @external stands beside a directive that needs the field resolved here. | Remove one of both.
INVALID_FIELD_SHARING | Several subgraphs resolve a field and it is not @shareable in all of them. | Mark it @shareable everywhere, or @external or @override.
INVALID_SHAREABLE_USAGE | @shareable stands where it means nothing. | Put it on object types or their fields.
OVERRIDE_FROM_SELF_ERROR | @override names its own subgraph. | Name the subgraph that had the field before.
OVERRIDE_SOURCE_HAS_OVERRIDE | The overridden field carries @override itself. | Keep one of both.
OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE | @override collides with @external, @requires or @provides. | Remove one of both.
OVERRIDE_ON_INTERFACE | @override stands on a field of an interface. | Put it on the implementing types.
INTERFACE_OBJECT_USAGE_ERROR | @interfaceObject is used against its rules. | See the message.
INTERFACE_KEY_NOT_ON_IMPLEMENTATION | An implementation lacks a key of its interface. | Add the @key to it.
INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE | A subgraph that keys an interface does not define all its implementations. | Define them there.
INTERFACE_FIELD_NO_IMPLEM | An implementation lacks a field of its interface. | Add the field in a subgraph.
NO_QUERIES | No subgraph has a query. | Give one of them a root Query field.
TYPE_KIND_MISMATCH | A type has different kinds in different subgraphs. | Use one kind, or two names.
EMPTY_MERGED_INPUT_TYPE | The subgraphs' definitions of an input type share no field. | Keep one in common.
EMPTY_MERGED_ENUM_TYPE | The subgraphs' definitions of an enum share no value. | Keep one in common.
ENUM_VALUE_MISMATCH | An enum used as input and output differs between subgraphs. | Give it the same values everywhere.
FIELD_TYPE_MISMATCH | A field's types in different subgraphs cannot be merged. | Give it one type.
FIELD_ARGUMENT_TYPE_MISMATCH | An argument's types in different subgraphs cannot be merged. | Give it one type.
FIELD_ARGUMENT_DEFAULT_MISMATCH | An argument has different defaults. | Give it one default.
INPUT_FIELD_DEFAULT_MISMATCH | An input field has different defaults. | Give it one default.
REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH | An argument is required in one subgraph and missing in another. | Add it there, or make it optional.
REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH | An input field is required in one subgraph and missing in another. | Add it there, or make it optional.
EXTENSION_WITH_NO_BASE | A type is only ever extended. | Define it in a subgraph.
ROOT_QUERY_USED | A type named Query is not the query root. | Rename it.
ROOT_MUTATION_USED | A type named Mutation is not the mutation root. | Rename it.
ROOT_SUBSCRIPTION_USED | A type named Subscription is not the subscription root. | Rename it.
INVALID_SUBGRAPH_NAME | A subgraph's name can't be used. | Choose a name that does not start with _ and is not empty.
SATISFIABILITY_ERROR | A valid query exists that no way through the subgraphs answers. | Add a @key, or make a field @shareable.
DIRECTIVE_DEFINITION_INVALID | A subgraph defines a spec's directive otherwise than the spec does. | Remove the definition, or write the spec's.
TYPE_DEFINITION_INVALID | A subgraph defines a spec's type otherwise than the spec does. | Remove the definition, or write the spec's.
TYPE_WITH_ONLY_UNUSED_EXTERNAL | All fields of a type are @external and unused. | Remove the type there.
LINK_IMPORT_NAME_MISMATCH | A directive that the supergraph carries has different names in the subgraphs. | Import it under one name everywhere.
DISALLOWED_INACCESSIBLE | @inaccessible stands on what every schema must show. | Remove it there.
MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL | A directive that is merged stands on an @external field. | Put it where the field is resolved.
SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES | A @shareable field returns no common object type in its subgraphs. | Let all of them return the same objects.
OVERRIDE_LABEL_INVALID | The label of an @override is none. | A letter, then letters, digits and _-:./, or percent(0) to percent(100).
DIRECTIVE_COMPOSITION_ERROR | @composeDirective names what can't be composed. | Define the directive, import it by @link, and call it the same everywhere.
CONTEXT_NOT_SET | @fromContext stands where no context can be. | Set the context by @context on a type above.
CONTEXT_NAME_INVALID | The name of a context is none. | Use letters and digits.
CONTEXT_INVALID_SELECTION | @fromContext does not select one value that fits its argument. | Mend the selection, or make the argument nullable.
CONTEXT_NO_RESOLVABLE_KEY | A type with a field that uses @fromContext can't be entered by a key. | Give it a resolvable @key.
NO_CONTEXT_IN_SELECTION | @fromContext names no context. | Write field: "$name { field }".
CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS | An argument is required in one subgraph and taken from a context in another. | Make it optional there.
COST_APPLIED_TO_INTERFACE_FIELD | @cost stands on a field of an interface. | Put it on the implementing types.
LIST_SIZE_APPLIED_TO_NON_LIST | @listSize stands on what is no list. | Remove it, or name its lists in sizedFields.
LIST_SIZE_INVALID_ASSUMED_SIZE | The assumedSize of a @listSize is negative. | Use zero or more.
LIST_SIZE_INVALID_SIZED_FIELD | @listSize names a sized field that is not there. | Name a list field of the field's type.
LIST_SIZE_INVALID_SLICING_ARGUMENT | @listSize names a slicing argument that is no Int argument of the field. | Name one that is.
AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE | Access is restricted on an interface. | Restrict it on the implementing types.
MISSING_TRANSITIVE_AUTH_REQUIREMENTS | A field needs another one that is restricted more than itself. | Give it the same restrictions.
MAX_VALIDATION_SUBGRAPH_PATHS_EXCEEDED | Satisfiability would take more paths than allowed. | Split the graph's largest types, or give entities fewer ways in.
"""

CODES: dict[str, Code] = {
    **_codes("request", _REQUEST),
    **_codes("subgraph", _SUBGRAPH),
    **_codes("sagas", _SAGAS),
    **_codes("gateway", _GATEWAY),
    **_codes("composition", _COMPOSITION),
}
