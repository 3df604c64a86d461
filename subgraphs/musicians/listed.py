"""The list of all profiles for services, which clients do not see; theirs is the read side's `musicians`."""

import enum
from decimal import Decimal

import strawberry

from subgraphs.kit.graphql import enum_value, object_type
from subgraphs.kit.pagination import Connection, ListPage
from subgraphs.musicians.types import Musician


@strawberry.federation.enum(description="The order of a list of profiles.", inaccessible=True)
class MusicianProfileOrder(enum.Enum):
    """The order of a list of profiles."""

    NEWEST = enum_value("newest", "The newest profiles first.")
    RATE_ASC = enum_value("rate_asc", "The lowest hourly rates first, whatever the currency.")
    RATE_DESC = enum_value("rate_desc", "The highest hourly rates first, whatever the currency.")
    EXPERIENCE_DESC = enum_value("experience_desc", "The most years of experience first.")
    NAME_ASC = enum_value("name_asc", "By stage name.")


@strawberry.federation.input(description="Conditions on profiles, joined by AND.", inaccessible=True)
class MusicianProfileFilter:
    """Conditions on profiles, joined by AND."""

    skills: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids or names of skills, all of which the musician must have."
    )
    city: str | None = strawberry.field(default=None, description="The city where the musician lives.")
    min_rate: Decimal | None = strawberry.field(default=None, description="The lowest hourly rate.")
    max_rate: Decimal | None = strawberry.field(default=None, description="The highest hourly rate.")
    currency: str | None = strawberry.field(default=None, description="The currency of the hourly rate.")
    min_experience: int | None = strawberry.field(
        default=None, description="The lowest number of years of experience."
    )
    search: str | None = strawberry.field(default=None, description="A part of the stage name.")


@object_type(inaccessible=True)
class MusicianProfileEdge:
    """A profile in the list and its cursor."""

    cursor: str = strawberry.field(description="The position of the profile in the list.")
    node: Musician = strawberry.field(description="The profile.")


@object_type(inaccessible=True)
class MusicianProfileConnection(ListPage):
    """A page of profiles."""

    edges: list[MusicianProfileEdge] = strawberry.field(description="The profiles of the page.")

    @classmethod
    def of(cls, page: Connection[Musician]) -> "MusicianProfileConnection":
        """Return a page of musicians as one of this type."""
        edges = [MusicianProfileEdge(cursor=edge.cursor, node=edge.node) for edge in page.edges]
        return cls(edges=edges, page_info=page.page_info, count=page.count)
