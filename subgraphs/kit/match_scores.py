"""The scores of a musician in a ranking, which matching and the read side declare as fields of `Match`."""

import strawberry


@strawberry.type
class MatchScores:
    """The base class of both classes `Match`: all fields but the musician."""

    total_score: float = strawberry.field(description="The weighted mean of the scores below.")
    skill_score: float = strawberry.field(
        description="The percentage of the required skills that the musician has."
    )
    experience_score: float = strawberry.field(
        description="40 plus 6 for each year of experience, up to ten years."
    )
    price_score: float = strawberry.field(
        description="The event's cost at the musician's rate compared with the budget: 100 is cheap."
    )
    distance_score: float = strawberry.field(
        description="100 at the place of the event, 0 at the algorithm's radius."
    )
    distance_km: float = strawberry.field(
        description="The distance from the musician's home to the event in kilometres."
    )
    ranking_position: int = strawberry.field(description="The position in the ranking; 1 is the best.")
    is_recommended: bool = strawberry.field(
        description="Whether the total score reaches the algorithm's `recommendedFrom`."
    )
