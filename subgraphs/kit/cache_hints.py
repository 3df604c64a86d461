"""Cache hints in the schema: @cacheControl says how long the gateway may reuse a value, @cacheTag by which
name it is invalidated.

The rules are Apollo's: the shortest `maxAge` in a request counts, a field that is no scalar needs a hint on
itself or on its type, and one PRIVATE hint makes the reply one user's. So what has no hint is not cached.

A hint on a type holds in all services, because the supergraph has one type of each name. So a type has a hint
only if it is public everywhere, and where its owner declares it. A field for some callers only is
`NEVER_SHARED`, which `for_users` and `for_role` add themselves.

Example: `@object_type(keys=["uuid"], cached=public(60))` on Review, and `@field_with(cached=NEVER_SHARED)` on
the address of a user.
"""

import enum
from typing import Any, Final

import strawberry
from strawberry.schema_directive import Location

UNSET: Any = strawberry.UNSET
# not Apollo's host: composition takes its specs' directives for those of federation and drops the definitions
_SPECS: Final = "https://specs.mussikon.example"
_PLACES: Final = [Location.FIELD_DEFINITION, Location.OBJECT, Location.INTERFACE, Location.UNION]


@strawberry.enum(name="CacheControlScope", description="For whom a value may be reused.")
class Scope(enum.Enum):
    """Whether a cached value is the same for all callers."""

    PUBLIC = strawberry.enum_value("PUBLIC", description="The value is the same for all callers.")
    PRIVATE = strawberry.enum_value("PRIVATE", description="The value is for one user only.")


@strawberry.federation.schema_directive(
    locations=_PLACES,
    name="cacheControl",
    description="How long a value may be reused, in seconds, and for whom.",
    compose=True,
    import_url=f"{_SPECS}/cacheControl/v0.1",
)
class CacheControl:
    """The directive @cacheControl, as Apollo Server defines it."""

    max_age: int | None = UNSET
    scope: Scope | None = UNSET
    inherit_max_age: bool | None = UNSET


@strawberry.federation.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT],
    name="cacheTag",
    description="A name by which cached values are invalidated.",
    repeatable=True,
    compose=True,
    import_url=f"{_SPECS}/cacheTag/v0.1",
)
class CacheTag:
    """The directive @cacheTag of federation 2.12, which strawberry does not know yet."""

    format: str


def public(seconds: int) -> CacheControl:
    """Return the hint for a value that every caller may see; it may be this old."""
    return CacheControl(max_age=seconds)


def private(seconds: int) -> CacheControl:
    """Return the hint for a value that depends on the caller; it may be this old, for the same caller."""
    return CacheControl(max_age=seconds, scope=Scope.PRIVATE)


NEVER_SHARED: Final = private(0)
"""The hint for a value that depends on the caller and must be exact: it is not cached."""
PART: Final = public(300)
"""The hint for a type of values without an identity of their own: its parent's shorter lifetime counts."""
INHERITED: Final = CacheControl(inherit_max_age=True)
"""The hint for a field that is no scalar and may be reused as long as its parent."""


def directives_of(cached: CacheControl | None, tags: tuple[str, ...]) -> list[Any]:
    """Return the directives for a hint, None without one, and for the formats of tags."""
    return [*([] if cached is None else [cached]), *(CacheTag(format=tag) for tag in tags)]
