"""The checks that convert the filters of the read side's lists to criteria."""

from decimal import Decimal

from subgraphs.kit import checks
from subgraphs.kit.between import between_of
from subgraphs.kit.money import MoneyInput
from subgraphs.kit.vocabulary import MusicianFilter, RequestFilter
from subgraphs.read_side.store import MusicianCriteria, RequestCriteria

MAX_SKILLS = 30
Rate = tuple[Decimal, str]


def musician_criteria(given: MusicianFilter | None) -> MusicianCriteria:
    """Return the checked filter of a list of musicians as criteria. Raises BadUserInput."""
    if given is None:
        return MusicianCriteria()
    with checks.Mistakes() as mistakes:
        rating = given.min_rating
        experience = given.min_experience
        return MusicianCriteria(
            text=mistakes.check(checks.optional_text, given.text, "filter.text", 200),
            name=mistakes.check(checks.optional_text, given.name, "filter.name", 100),
            skill_ids=mistakes.check(
                checks.identifiers, given.skills or (), "filter.skills", MAX_SKILLS, "Skill"
            ),
            min_rating=None
            if rating is None
            else mistakes.check(checks.decimal, rating, "filter.minRating", 1, 5),
            min_rate=mistakes.check(_rate, given.min_rate, "filter.minRate"),
            max_rate=mistakes.check(_rate, given.max_rate, "filter.maxRate"),
            min_experience=None
            if experience is None
            else mistakes.check(checks.whole, experience, "filter.minExperience", 0, 100),
            city=mistakes.check(checks.optional_text, given.city, "filter.city", 100),
            near=mistakes.check(given.near.read, "filter.near") if given.near else None,
        )


def request_criteria(given: RequestFilter | None) -> RequestCriteria:
    """Return the checked filter of a list of requests as criteria. Raises BadUserInput."""
    if given is None:
        return RequestCriteria()
    with checks.Mistakes() as mistakes:
        return RequestCriteria(
            text=mistakes.check(checks.optional_text, given.text, "filter.text", 200),
            skill_ids=mistakes.check(
                checks.identifiers, given.skills or (), "filter.skills", MAX_SKILLS, "Skill"
            ),
            statuses=tuple(dict.fromkeys(one.value for one in given.status or ())),
            urgency_levels=tuple(dict.fromkeys(one.value for one in given.urgency or ())),
            starts=mistakes.check(between_of, given.between, "filter.between"),
            near=mistakes.check(given.near.read, "filter.near") if given.near else None,
        )


def _rate(given: MoneyInput | None, field: str) -> Rate | None:
    return None if given is None else given.read(field)
