"""The table of error codes: the meaning of each code, and what a person can do about it.

Every GatewayError has one of these codes; `gateway errors` prints the table. The composition codes are those
that Apollo publishes for Federation 2
(https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/errors).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One code of the table. `area`: request, subgraph, sagas, gateway or composition."""

    name: str
    area: str
    meaning: str
    next_step: str


def read_codes(area: str, rows: str) -> dict[str, Code]:
    """Return the codes in a text with lines of `NAME | meaning | next step`, by name."""
    table = {}
    for row in rows.strip().splitlines():
        name, meaning, next_step = (cell.strip() for cell in row.split("|"))
        table[name] = Code(name, area, meaning, next_step)
    return table


def code_tables(codes: Mapping[str, Code]) -> str:
    """Return Markdown with a table of codes for each area."""
    lines: list[str] = []
    for area in dict.fromkeys(code.area for code in codes.values()):
        lines += ["", f"## {area.capitalize()}", "", "| code | meaning | what to do |", "| --- | --- | --- |"]
        lines += [
            f"| {code.name} | {code.meaning} | {code.next_step.replace('|', chr(92) + '|')} |"
            for code in codes.values()
            if code.area == area
        ]
    return "\n".join(lines)


_REQUEST = """
BAD_REQUEST | The HTTP request is not a GraphQL request. \
    | Send a JSON object with a string `query`, or GET with ?query=.
UPLOAD_LIMIT | The gateway can't receive further files at the moment. \
    | Try again; an operator can raise `uploads.at_once`.
UPLOAD_INCOMPLETE | A file of the request has not arrived whole. \
    | Send the request again, with each file that its `map` names.
BATCH_LIMIT | A list of requests has too many elements, or none. \
    | Send fewer at a time; an operator can raise `limits.batch`.
INVALID_JSON | The body is not JSON. | Correct the body at the position named in the message.
REQUEST_TOO_LARGE | The body or the operation is larger than the limit. \
    | Send less at a time, or raise the limit: --limit body=BYTES.
UNSUPPORTED_MEDIA_TYPE | The body's content type is not application/json. \
    | Set `Content-Type: application/json`.
UNSUPPORTED_CONTENT_ENCODING | The body's content encoding is not supported. \
    | Use an encoding from the reply's Accept-Encoding header.
NOT_ACCEPTABLE | The Accept header allows no supported media type. \
    | Accept application/graphql-response+json or application/json.
CSRF_PREVENTED | The page of another site may have caused the request by GET. \
    | Send it by POST as application/json, or with the header `graphql-require-preflight: 1`.
METHOD_NOT_ALLOWED | The HTTP method is not allowed for the operation. | Use POST; GET is for queries only.
GRAPHQL_PARSE_FAILED | The operation is not valid GraphQL syntax. \
    | Correct the syntax at the named line and column.
GRAPHQL_VALIDATION_FAILED | The operation does not fit the schema. | Compare it with the schema in GraphiQL.
UNAUTHENTICATED | The request has no token where one is required, or its token is refused. \
    | Send a valid token; the message says why this one is refused.
UNAUTHORIZED_FIELD_OR_TYPE | The field, or its type, needs access rights that the request does not have. \
    | Send a token with the rights, or leave the field out.
OPERATION_RESOLUTION_FAILURE | The document has no operation, or several and no operationName selects one. \
    | Set operationName to one of the document's operations.
BAD_USER_INPUT | A variable's value does not fit its type. | Correct the variable named in the message.
PERSISTED_QUERY_NOT_SUPPORTED | Persisted queries are not supported. | Send the document itself in `query`.
PERSISTED_QUERY_NOT_FOUND | No document is stored under the hash. | Send the hash and the document together.
PERSISTED_QUERY_HASH_MISMATCH | The hash is not the SHA-256 of the document in `query`. \
    | Send the hash of exactly the text in `query`, as 64 lower-case hexadecimal digits.
PERSISTED_DOCUMENT_ID_REQUIRED | Only trusted documents may run here, and the request has no document id. \
    | Send the id of a document that was added to the trusted ones.
PERSISTED_DOCUMENT_NOT_FOUND | There is no trusted document with the id. \
    | Add the document to the trusted ones, or send an id that they have.
PERSISTED_DOCUMENT_EXTRACTION_FAILED | The document id has a wrong form. \
    | Send an id in the form that the message describes.
PERSISTED_DOCUMENT_RESOLUTION_FAILED | The store of trusted documents does not respond. \
    | Try again; the gateway's log says why the store failed.
QUERY_NOT_IN_SAFELIST | The document is not one of the trusted ones, and only those may run here. \
    | Add the document to the trusted ones.
INTROSPECTION_DISABLED | Introspection is disabled. \
    | Use the published schema, or a gateway without --production.
PLAN_HEADER_DISABLED | The request wants its plan only, and plans are not shown here. \
    | Send it without `x-gateway-plan: only` to execute it, or set plan_header.
SUBSCRIPTIONS_NOT_SERVED | Subscriptions are switched off, or the gateway is starting or ending. \
    | Use a query, or try again; an operator sets `subscriptions.enabled`.
STREAM_NOT_ACCEPTED | The client accepts no stream, and the operation is a subscription. \
    | Accept text/event-stream or multipart/mixed;subscriptionSpec=1.0, or use WebSocket.
SUBSCRIPTION_LIMIT | The gateway has too many different subscriptions. \
    | Try again later; an operator can raise `subscriptions.limit`.
OPERATION_LIMIT | A connection has too many operations at the same time. \
    | End one first; an operator can raise `subscriptions.websocket.operations`.
SUBSCRIPTION_JWT_EXPIRED | The token of a subscription is no longer valid. | Subscribe again with a new token.
STREAM_CONFLICT | The event stream with this token is open already, or the operation's id is in use. \
    | Reserve another token by PUT, or give each operation an id of its own.
INVALID_CURSOR | The cursor does not belong to the subscription. \
    | Use the last one that it has sent, unchanged.
SLOW_CLIENT | The client reads its events too slowly. | Read faster, or select fewer fields.
SUBSCRIPTION_SCHEMA_RELOAD | A new schema changes the subscription. | Subscribe again.
SUBSCRIPTION_CONFIG_RELOAD | The source of the subscription's events has changed. | Subscribe again.
SUBSCRIPTION_SERVER_CLOSED | The gateway is shutting down. | Connect again after a moment.
RATE_LIMITED | The caller has asked more in the last time than a rate limit allows. \
    | Wait for the seconds in Retry-After.
COST_ESTIMATED_TOO_EXPENSIVE | The estimated cost of the operation is above the limit. \
    | Select fewer fields or shorter lists, or raise the limit: cost.max.
COST_INVALID_SLICING_ARGUMENTS | A field with @listSize needs exactly one of its slicing arguments. \
    | Give exactly one of the arguments that the message names.
MAX_TOKENS_LIMIT | The operation has more lexer tokens than allowed. \
    | Split it into smaller operations, or raise the limit: --limit tokens=N.
MAX_DEPTH_LIMIT | The operation has more nested levels than allowed. \
    | Split it into smaller operations, or raise the limit: --limit depth=N.
MAX_HEIGHT_LIMIT | The operation has more different fields in its response than allowed. \
    | Split it into smaller operations, or raise the limit: --limit height=N.
MAX_BREADTH_LIMIT | The operation has more fields in one selection set than allowed. \
    | Split it into smaller operations, or raise the limit: --limit breadth=N.
MAX_ROOT_FIELDS_LIMIT | The operation has more root fields than allowed. \
    | Split it into smaller operations, or raise the limit: --limit root_fields=N.
MAX_ALIASES_LIMIT | The operation has more aliases than allowed. \
    | Split it into smaller operations, or raise the limit: --limit aliases=N.
MAX_DIRECTIVES_LIMIT | The operation has more directives than allowed. \
    | Split it into smaller operations, or raise the limit: --limit directives=N.
MAX_FRAGMENTS_LIMIT | The operation has more fragment definitions than allowed. \
    | Split it into smaller operations, or raise the limit: --limit fragments=N.
MAX_SELECTIONS_LIMIT | The operation has more fields, each repetition counted, than allowed. \
    | Split it into smaller operations, or raise the limit: --limit selections=N.
MAX_INTROSPECTION_LIMIT | The operation has more fields of the schema itself than allowed. \
    | Split it into smaller operations, or raise the limit: --limit introspection=N.
MAX_ARGUMENTS_LIMIT | The operation has more characters of arguments than allowed. \
    | Split it into smaller operations, or raise the limit: --limit arguments=N.
VALIDATION_TIME_LIMIT | Validating the operation takes longer than allowed. \
    | Split it into smaller operations, or raise the limit: --limit validation_time=SECONDS.
VALIDATION_ABORTED | Validation stopped: too many errors, or too many fields that overlap. \
    | Mend the errors that are listed first, or split the operation.
PLAN_LIMIT_EXCEEDED | Planning the operation would consider more paths than allowed. \
    | Split it into smaller operations, or raise the limit: --limit paths=NUMBER.
PLAN_NOT_FOUND | The subgraphs can't resolve this operation, even together. \
    | Compose the supergraph again: composition checks that every valid operation can be resolved.
INTERFACE_FIELD_SPLIT | No single subgraph resolves an interface's field for all object types. \
    | Select the field in fragments on the object types: ... on T.
CACHE_NOT_INVALIDATED | Redis has not received an invalidation; other processes use what they have. \
    | Send it again; the gateway also sends it itself as soon as Redis replies.
NOT_FOUND | There is nothing at this path. | The GraphQL endpoint is /graphql.
"""

_SUBGRAPH = """
SUBGRAPH_UNREACHABLE | The subgraph could not be reached. \
    | Check that it runs and that its URL is right (--subgraph-url NAME=URL).
SUBGRAPH_TIMEOUT | The subgraph did not reply in time. \
    | Check the subgraph's log, or raise the timeout: --timeout SECONDS.
SUBGRAPH_COST_ESTIMATED_TOO_EXPENSIVE | The operation costs more in the subgraph than its budget. \
    | Select fewer fields or shorter lists, or raise the subgraph's budget: cost.budgets.
SUBGRAPH_OVERLOADED | Too many requests wait for the subgraph. \
    | Check why it replies slowly, or raise --connections NUMBER and --connection queue=NUMBER.
SUBGRAPH_HTTP_ERROR \
    | The subgraph replied with a redirect, or with an HTTP error status and no GraphQL errors. \
    | Correct its URL after a redirect; otherwise check the subgraph's log.
SUBGRAPH_BAD_RESPONSE | The subgraph's reply is not a valid GraphQL response. \
    | Check that the URL is the subgraph's GraphQL endpoint.
SUBGRAPH_ERROR | The subgraph reported an error without a code. | Check the subgraph's log.
SUBGRAPH_WRONG_VALUE | A value does not have the type that the subgraph's schema declares. \
    | Correct the subgraph's resolver or its schema.
NULL_IN_NON_NULL | A non-null field was null, and the subgraph reported no error for it. \
    | Correct the subgraph's resolver, or make the field nullable.
INTERNAL_SERVER_ERROR | The gateway had an unexpected error. \
    | Report it with the id; the gateway's log has the details under that id.
"""

_SAGAS = """
INVALID_SAGA | The definition of a saga is not valid. \
    | Give its steps unique names without colons, and define each version once.
UNKNOWN_SAGA | There is no saga with this id, type or version. \
    | Check the id, or the types of the configured sagas.
SAGA_STATE | The saga's status does not allow this operation. | Read the saga's status first.
FORWARD_ONLY | A saga of this type must reach its end, so it cannot be cancelled or undone. \
    | Retry it, or skip the step that fails.
INVALID_KEY | The idempotency key is missing or too long. \
    | Send a key of 1 to 100 characters, a new one for each new operation.
IDEMPOTENCY_KEY_REUSED | The idempotency key was used with another input. \
    | Send the same input again, or use a new key.
PAYLOAD_INVALID | A saga's input or a step's result can't be encoded as JSON. | Use plain JSON values.
PAYLOAD_TOO_LARGE | A saga's input or a step's result is larger than 64 kB. \
    | Store it elsewhere, and pass its id.
"""

_GATEWAY = """
INVALID_SUPERGRAPH | The supergraph SDL is not valid. \
    | Compose it again with a tool that writes the join spec, v0.2 to v0.5.
UNSUPPORTED_FEATURE | The supergraph requires a feature that this gateway does not enforce. \
    | Remove the feature, or use a version of the gateway that enforces it.
UNKNOWN_SUBGRAPH | An option names a subgraph that the supergraph does not have. \
    | Use one of the names in the message.
INVALID_CONFIG | The configuration file has mistakes. \
    | Correct the named settings; `gateway config reference` lists all of them.
BAD_OPTION | An option has an invalid value. | See --help.
INVALID_DOCUMENTS | Documents or a manifest of documents can't be used. \
    | Correct what the message names; `gateway documents` makes and checks manifests.
FILE_NOT_READABLE | A file cannot be read. | Check that it exists and that this user may read it.
INVALID_KEYS | A file or URL with keys can't be used. \
    | Correct the setting that the message names, and check that the file or URL can be read from here.
INVALID_CERTIFICATE | A certificate can't be used with its key. \
    | Check that both are PEM files that belong together, and the key's password.
ADDRESS_IN_USE | The gateway can't listen on the address. \
    | Choose another port with --port, or stop the process that uses it.
"""

_COMPOSITION = """
INVALID_GRAPHQL | The SDL is not valid GraphQL. | Correct the SDL at the named place.
UNKNOWN_FEDERATION_LINK_VERSION | @link names an unsupported version of the federation spec. \
    | Use v2.0 to v2.14.
UNKNOWN_LINK_VERSION | @link names an unsupported version of the link spec. | Use v1.0.
INVALID_LINK_DIRECTIVE_USAGE | The arguments of a @link are not valid. | Correct them as the message says.
INVALID_LINK_IDENTIFIER | The url of a @link is not the URL of a spec. \
    | Use a URL that ends in /name/vMAJOR.MINOR.
REFERENCED_INACCESSIBLE | A visible element refers to an @inaccessible one. \
    | Make both visible, or both inaccessible.
DEFAULT_VALUE_USES_INACCESSIBLE | A visible default value uses an @inaccessible element. | Change the default.
ONLY_INACCESSIBLE_CHILDREN | All fields, values or members of a visible type are @inaccessible. \
    | Mark the type itself as @inaccessible.
QUERY_ROOT_TYPE_INACCESSIBLE | The query root is @inaccessible. | Remove the directive from it.
REQUIRED_INACCESSIBLE | A required argument or input field is @inaccessible. \
    | Give it a default, or make it visible.
IMPLEMENTED_BY_INACCESSIBLE | An @inaccessible field implements a visible interface field. \
    | Mark the interface's field as @inaccessible, too.
KEY_INVALID_FIELDS | @key's fields are not a valid selection on its type. | Correct the field set.
KEY_INVALID_FIELDS_TYPE | @key's fields are not a string. | Write fields: "id".
KEY_FIELDS_HAS_ARGS | @key selects a field with arguments. | Use a field without arguments.
KEY_FIELDS_SELECT_INVALID_TYPE | @key selects an interface or a union. | Use leaf or object fields.
KEY_DIRECTIVE_IN_FIELDS_ARG | @key's fields contain a directive. | Remove it.
KEY_UNSUPPORTED_ON_INTERFACE | @key on an interface needs federation 2.3. | Link v2.3 or newer.
PROVIDES_INVALID_FIELDS | @provides' fields are not a valid selection on the field's type. \
    | Correct the field set.
PROVIDES_INVALID_FIELDS_TYPE | @provides' fields are not a string. | Write fields: "name".
PROVIDES_FIELDS_HAS_ARGS | @provides selects a field with arguments. | Use a field without arguments.
PROVIDES_FIELDS_MISSING_EXTERNAL | @provides selects a field that is not @external. \
    | Mark the field @external in this subgraph.
PROVIDES_DIRECTIVE_IN_FIELDS_ARG | @provides' fields contain a directive. | Remove it.
PROVIDES_ON_NON_OBJECT_FIELD | @provides is applied to a field of a scalar or enum type. | Remove it.
PROVIDES_UNSUPPORTED_ON_INTERFACE | @provides is applied to a field of an interface. \
    | Apply it to the implementing types.
REQUIRES_INVALID_FIELDS | @requires' fields are not a valid selection on the type. | Correct the field set.
REQUIRES_INVALID_FIELDS_TYPE | @requires' fields are not a string. | Write fields: "weight".
REQUIRES_FIELDS_MISSING_EXTERNAL | @requires selects a field that is not @external. \
    | Mark the field @external in this subgraph.
REQUIRES_DIRECTIVE_IN_FIELDS_ARG | @requires' fields contain a directive. | Remove it.
REQUIRES_UNSUPPORTED_ON_INTERFACE | @requires is applied to a field of an interface. \
    | Apply it to the implementing types.
EXTERNAL_UNUSED | A field is @external, and no directive in its subgraph uses it. \
    | Remove the field, or use it in @key, @requires or @provides.
EXTERNAL_TYPE_MISMATCH | An @external field's type differs from the type in the subgraph that resolves it. \
    | Use the same type.
EXTERNAL_ARGUMENT_MISSING | An @external field lacks an argument that the resolving subgraph defines. \
    | Add the argument.
EXTERNAL_ARGUMENT_TYPE_MISMATCH \
    | An argument of an @external field has another type than in the resolving subgraph. \
    | Use the same type.
EXTERNAL_ARGUMENT_DEFAULT_MISMATCH \
    | An argument of an @external field has another default than in the resolving subgraph. \
    | Use the same default.
EXTERNAL_ON_INTERFACE | @external is applied to a field of an interface. | Apply it to the implementing types.
EXTERNAL_MISSING_ON_BASE | A field is @external in every subgraph, so no subgraph resolves it. \
    | Remove @external in the subgraph that resolves it.
EXTERNAL_COLLISION_WITH_ANOTHER_DIRECTIVE \
    | @external is combined with a directive for fields that the subgraph resolves. \
    | Remove one of the two.
INVALID_FIELD_SHARING | Several subgraphs resolve a field, and not all of them mark it @shareable. \
    | Mark it @shareable in all of them, or use @external or @override.
INVALID_SHAREABLE_USAGE | @shareable is applied where it has no meaning. \
    | Apply it to object types or their fields.
OVERRIDE_FROM_SELF_ERROR | @override names its own subgraph. \
    | Name the subgraph that resolved the field before.
OVERRIDE_SOURCE_HAS_OVERRIDE | The overridden field has an @override itself. | Remove one of the two.
OVERRIDE_COLLISION_WITH_ANOTHER_DIRECTIVE | @override is combined with @external, @requires or @provides. \
    | Remove one of the two.
OVERRIDE_ON_INTERFACE | @override is applied to a field of an interface. | Apply it to the implementing types.
INTERFACE_OBJECT_USAGE_ERROR | @interfaceObject is used against its rules. | Follow the message.
INTERFACE_KEY_NOT_ON_IMPLEMENTATION | An implementing type lacks a @key of its interface. \
    | Add the @key to it.
INTERFACE_KEY_MISSING_IMPLEMENTATION_TYPE \
    | A subgraph with a @key on an interface does not define all implementing types. \
    | Define them in that subgraph.
INTERFACE_FIELD_NO_IMPLEM | An implementing type lacks a field of its interface. \
    | Add the field in a subgraph.
NO_QUERIES | No subgraph defines a query. | Add a field to Query in one of them.
TYPE_KIND_MISMATCH | A type has different kinds in different subgraphs. | Use one kind, or two names.
EMPTY_MERGED_INPUT_TYPE | The subgraphs' definitions of an input type have no field in common. \
    | Define a common field.
EMPTY_MERGED_ENUM_TYPE | The subgraphs' definitions of an enum have no value in common. \
    | Define a common value.
ENUM_VALUE_MISMATCH | An enum that is used as input and output differs between subgraphs. \
    | Define the same values in all of them.
FIELD_TYPE_MISMATCH | A field's types in different subgraphs can't be merged. | Use one type.
FIELD_ARGUMENT_TYPE_MISMATCH | An argument's types in different subgraphs can't be merged. | Use one type.
FIELD_ARGUMENT_DEFAULT_MISMATCH | An argument has different defaults in different subgraphs. \
    | Use one default.
INPUT_FIELD_DEFAULT_MISMATCH | An input field has different defaults in different subgraphs. \
    | Use one default.
REQUIRED_ARGUMENT_MISSING_IN_SOME_SUBGRAPH | An argument is required in one subgraph and missing in another. \
    | Add it to the other, or make it optional.
REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH \
    | An input field is required in one subgraph and missing in another. \
    | Add it to the other, or make it optional.
EXTENSION_WITH_NO_BASE | A type is extended, but no subgraph defines it. | Define it in a subgraph.
ROOT_QUERY_USED | A type named Query is not the query root. | Rename it.
ROOT_MUTATION_USED | A type named Mutation is not the mutation root. | Rename it.
ROOT_SUBSCRIPTION_USED | A type named Subscription is not the subscription root. | Rename it.
INVALID_SUBGRAPH_NAME | A subgraph's name is not valid. \
    | Choose a unique, non-empty name that does not start with _.
SATISFIABILITY_ERROR | The subgraphs can't resolve a query that the supergraph's schema allows. \
    | Add a @key, or make a field @shareable.
DIRECTIVE_DEFINITION_INVALID | A subgraph defines a spec's directive differently from the spec. \
    | Remove the definition, or use the spec's.
TYPE_DEFINITION_INVALID | A subgraph defines a spec's type differently from the spec. \
    | Remove the definition, or use the spec's.
TYPE_WITH_ONLY_UNUSED_EXTERNAL | All fields of a type are @external and unused. \
    | Remove the type from that subgraph.
LINK_IMPORT_NAME_MISMATCH | The subgraphs import a directive of the supergraph under different names. \
    | Import it under one name everywhere.
DISALLOWED_INACCESSIBLE | @inaccessible is applied to an element that must be visible. | Remove it.
MERGED_DIRECTIVE_APPLICATION_ON_EXTERNAL \
    | A directive that composition merges is applied to an @external field. \
    | Apply it where the field is resolved.
SHAREABLE_HAS_MISMATCHED_RUNTIME_TYPES \
    | The subgraphs can't return an object of the same type for a @shareable field. \
    | Let all of them return the same objects.
OVERRIDE_LABEL_INVALID | The label of an @override is not valid. \
    | Use a letter, then letters, digits and _-:./, or percent(0) to percent(100).
DIRECTIVE_COMPOSITION_ERROR | @composeDirective names a directive that can't be composed. \
    | Define the directive, import it by @link, and use one name for it everywhere.
CONTEXT_NOT_SET | @fromContext is applied where no context can be set. \
    | Set the context by @context on a type that encloses the field.
CONTEXT_NAME_INVALID | The name of a context is not valid. | Use letters and digits.
CONTEXT_INVALID_SELECTION | @fromContext does not select one value of its argument's type. \
    | Correct the selection, or make the argument nullable.
CONTEXT_NO_RESOLVABLE_KEY | A type with a @fromContext field has no key by which it can be looked up. \
    | Give it a resolvable @key.
NO_CONTEXT_IN_SELECTION | @fromContext names no context. | Write field: "$name { field }".
CONTEXTUAL_ARGUMENT_NOT_CONTEXTUAL_IN_ALL_SUBGRAPHS \
    | An argument is required in one subgraph and comes from a context in another. \
    | Make it optional in the first.
COST_APPLIED_TO_INTERFACE_FIELD | @cost is applied to a field of an interface. \
    | Apply it to the implementing types.
LIST_SIZE_APPLIED_TO_NON_LIST | @listSize is applied to a field that is not a list. \
    | Remove it, or name its lists in sizedFields.
LIST_SIZE_INVALID_ASSUMED_SIZE | The assumedSize of a @listSize is negative. | Use zero or more.
LIST_SIZE_INVALID_SIZED_FIELD | @listSize names a sized field that does not exist. \
    | Name a list field of the field's type.
LIST_SIZE_INVALID_SLICING_ARGUMENT \
    | @listSize names a slicing argument that is not an Int argument of the field. \
    | Name an Int argument of the field.
AUTH_REQUIREMENTS_APPLIED_ON_INTERFACE | An access requirement is applied to an interface. \
    | Apply it to the implementing types.
MISSING_TRANSITIVE_AUTH_REQUIREMENTS \
    | A field depends on a field with stricter access requirements than its own. \
    | Give it the same requirements.
MAX_VALIDATION_SUBGRAPH_PATHS_EXCEEDED | Checking satisfiability would visit more paths than allowed. \
    | Split the graph's largest types, or give entities fewer keys.
"""

CODES: dict[str, Code] = {
    **read_codes("request", _REQUEST),
    **read_codes("subgraph", _SUBGRAPH),
    **read_codes("sagas", _SAGAS),
    **read_codes("gateway", _GATEWAY),
    **read_codes("composition", _COMPOSITION),
}
