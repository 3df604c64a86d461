"""The error codes that services return in `extensions.code`: each with its meaning and what a client can do.

A line is "CODE | meaning | what to do". The gateway's codes are in `gateway/core/codes.py`; `mussikon errors`
prints both.
"""

from gateway.core.codes import Code, read_codes

_SERVICES = """
BAD_USER_INPUT | A value in the operation is not allowed. `field`, or `extensions.field`, names it. \
    | Show the message at the form field, and let the user correct it.
UNAUTHENTICATED | The request has no token, or the token is wrong or expired. \
    | Call `refreshSession`, or log in again; send `Authorization: Bearer TOKEN`.
WRONG_CREDENTIALS | The name or the password is wrong; the answer does not say which. \
    | Let the user type both again, and offer a reset of the password.
FORBIDDEN | The caller is logged in, but not allowed to do this. | Hide the action for this user.
NOT_FOUND | The object does not exist, or the caller may not know of it. | Reload the list that it came from.
CONFLICT | The state of the object does not allow the operation. \
    | Reload the object, show its state, and let the user decide again.
VERSION_CONFLICT | Another user changed the object at the same moment. \
    | Reload the object and repeat the change.
RATE_LIMITED | Too many attempts. | Try again after `extensions.retryAfterSeconds`.
IDEMPOTENCY_KEY_REUSED | The `idempotencyKey` was used for another mutation, or with other input. \
    | Use a new key for each change.
READ_MODEL_UNAVAILABLE | The read model is not up to date, and no other service can answer this query. \
    | Try again in a few seconds, or use a simpler filter.
WRONG_AGGREGATE_TYPE | The id belongs to an object of another type. \
    | Use an id of the type that the field names.
REBUILD_RUNNING | The read model is being rebuilt already. \
    | Wait for its end: `readModels` shows the progress.
ALREADY_UNDONE | A saga's step was undone before this call. \
    | Nothing: the saga continues with its compensation.
SUPERSEDED | Another worker has taken over the saga. | Nothing: the other worker continues the saga.
SERVER_UNAVAILABLE | A server that the service needs, such as its database, does not answer. \
    | Try again in a few seconds; with the same `idempotencyKey` a change takes effect once.
INTERNAL_SERVER_ERROR | The service failed. `extensions.id` is the id of the entry in its log. \
    | Report it with the id.
"""

CODES: dict[str, Code] = read_codes("platform", _SERVICES)
