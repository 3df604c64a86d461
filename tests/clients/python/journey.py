"""The journeys of the frontend guide with the Python client that ariadne-codegen has generated.

Usage: python journey.py URL FOLDER - FOLDER has the package `mussikon_client`. It prints a line per step, and
ends with an AssertionError where the platform answers otherwise than the guide says.
"""

import secrets
import sys
from datetime import UTC, datetime, timedelta

URL, FOLDER = sys.argv[1:3]
sys.path.insert(0, FOLDER)

from mussikon_client import Mussikon  # noqa: E402 - generated
from mussikon_client.enums import ApplicationStatus, BookingStatus, RequestStatus, UserType  # noqa: E402
from mussikon_client.input_types import (  # noqa: E402
    ApplicationInput,
    BetweenInput,
    ChangeApplicationInput,
    CreateMusicianProfileInput,
    LogInInput,
    MoneyInput,
    NearInput,
    PlaceInput,
    PublishRequestInput,
    RegisterInput,
    TimeInput,
    UpdateRequestInput,
)

SUFFIX = secrets.token_hex(4)
ELSEWHERE = {
    "x-forwarded-for": f"192.0.2.{secrets.randbelow(250) + 1}"
}  # registrations are limited by address


def step(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def eur(amount: str) -> MoneyInput:
    return MoneyInput(amount=amount, currency="EUR")


def client_of(token: str) -> Mussikon:
    return Mussikon(url=URL, headers={"authorization": f"Bearer {token}"})


def register(name: str, role: UserType) -> Mussikon:
    wanted = RegisterInput(
        username=f"{name}_{SUFFIX}",
        email=f"{name}_{SUFFIX}@example.org",
        password="correct horse battery",
        userType=role,
    )
    made = Mussikon(url=URL, headers=ELSEWHERE).register(wanted, key=SUFFIX).register
    again = Mussikon(url=URL, headers=ELSEWHERE).register(wanted, key=SUFFIX).register
    assert made and made.session and again and again.session, (made, again)
    assert made.session.user.id == again.session.user.id, "a key registers once"
    return client_of(made.session.token)


wrong = Mussikon(url=URL).log_in(LogInInput(login="nobody", password="wrong password")).log_in
assert wrong and wrong.session is None and wrong.user_errors[0].code == "WRONG_CREDENTIALS"
step("a wrong password is a user error")

host, player = register("host", UserType.CLIENT), register("player", UserType.MUSICIAN)
step("registered a client and a musician, each once for two calls with one key")

bad = player.create_musician_profile(
    CreateMusicianProfileInput.model_construct(
        stage_name=" ",
        hourly_rate=eur("-1"),
        bio="",
        experience_years=900,
        portfolio_urls=[],
        skills=["Kazoo"],
    )
).create_musician_profile
assert bad and {"stageName", "hourlyRate.amount", "experienceYears"} <= {e.field for e in bad.user_errors}, (
    bad
)
profile = player.create_musician_profile(
    CreateMusicianProfileInput(
        stageName=f"Trio {SUFFIX}",
        hourlyRate=eur("80"),
        bio="Swing and bebop.",
        experienceYears=12,
        portfolioUrls=[],
        skills=["Piano", "Jazz"],
    )
).create_musician_profile
assert profile and profile.musician and profile.musician.version == 1, profile
musician = profile.musician.id
step("made a profile, after all wrong fields were named at once")

day = datetime.now(UTC).date() + timedelta(days=60)
skills = Mussikon(url=URL).skill_catalogue()
jazz = next(skill.id for skill in skills.skills or [] if skill.name == "Jazz") if skills.skills else ""
genres = Mussikon(url=URL).skill_catalogue(category="GENRE").skills or []
jazz = next(skill.id for skill in genres if skill.name == "Jazz")
wanted = PublishRequestInput(
    title=f"Summer party {SUFFIX}",
    description="In the garden.",
    eventDate=day.isoformat(),
    startTime="19:00",
    endTime="23:00",
    timeZone="Europe/Berlin",
    budgetMin=eur("300"),
    budgetMax=eur("600"),
    location=PlaceInput(latitude=52.52, longitude=13.405, address="", city="Berlin", country="DE"),
    requiredSkills=[jazz],
    urgencyLevel="MEDIUM",
)
made = host.publish_request(wanted, key="party").publish_request
again = host.publish_request(wanted, key="party").publish_request
assert made and made.request and again and again.request and made.request.id == again.request.id, (
    made,
    again,
)
request = made.request.id
reused = host.publish_request(wanted.model_copy(update={"title": "Other"}), key="party").publish_request
assert reused and reused.user_errors[0].code == "IDEMPOTENCY_KEY_REUSED", reused
step("published a request once for two calls with one key")

changed = host.update_request(
    request,
    UpdateRequestInput(eventDate=(day + timedelta(days=1)).isoformat(), budgetMax=eur("700")),
    expected_version=1,
).update_request
assert changed and changed.request and changed.request.version == 2, changed
stale = host.update_request(request, UpdateRequestInput(title="Late"), expected_version=1).update_request
assert stale and stale.user_errors[0].code == "VERSION_CONFLICT", stale
step("moved the event to another day; a change of an older version is refused")

near = NearInput(latitude=52.52, longitude=13.405, radiusKm=30)
listed = player.open_requests_nearby(near).requests
assert listed and listed.total_count > 0
applied = player.apply_to_request(
    request, ApplicationInput(proposedPrice=eur("480"), message="With pleasure."), key="apply"
).apply_to_request
assert applied and applied.application, applied
cheaper = player.change_application(
    applied.application.id, ChangeApplicationInput(proposedPrice=eur("450"))
).change_application
assert cheaper and cheaper.application and cheaper.application.proposed_price, cheaper
assert cheaper.application.proposed_price.amount == "450.00"
page = host.request_applications(request, status=[ApplicationStatus.PENDING], first=5).request
assert page and page.applications and page.applications.total_count == 1, page
assert page.applications.edges[0].node.musician
assert page.applications.edges[0].node.musician.id == musician
step("applied, changed the price, and the client has read the application")

offer = host.assign_musician(request, musician, False, "offer").assign_musician
assert offer and not offer.user_errors and offer.saga and offer.saga.booking, offer
assert offer.saga.booking.status == BookingStatus.PENDING, offer
assert offer.saga.booking.price and offer.saga.booking.price.amount == "450.00"
booking = offer.saga.booking.id
twice = host.assign_musician(request, musician, False, "other offer").assign_musician
assert twice and twice.user_errors and twice.user_errors[0].code == "CONFLICT", twice
confirmed = player.confirm_offer(booking, "confirm").confirm_offer
assert confirmed and confirmed.saga and confirmed.saga.booking, confirmed
assert confirmed.saga.booking.status == BookingStatus.CONFIRMED, confirmed
progress = host.saga(offer.saga.id).saga
assert progress and progress.steps and len(progress.steps) == 5, progress
step("offered, confirmed; a second offer is refused")

early = host.complete_event(booking, "early").complete_event
assert early and early.user_errors and early.user_errors[0].code == "CONFLICT", early
over = host.cancel_and_refund(booking, "The garden is flooded.", "cancel").cancel_and_refund
assert over and over.saga and over.saga.booking and over.saga.request, over
assert over.saga.booking.status == BookingStatus.CANCELLED
assert over.saga.request.status in (RequestStatus.OPEN, RequestStatus.IN_PROGRESS), over
payments = host.my_payments().my_payments
assert payments and payments.edges[0].node.escrow and payments.edges[0].node.escrow.refunded
assert payments.edges[0].node.escrow.refunded.amount == "450.00", payments
step("cancelled two months before the event: the whole price is back")

gone = host.cancel_request(request, "No party this year.", "no party").cancel_request
assert gone and gone.saga and gone.saga.request and gone.saga.request.status == RequestStatus.CANCELLED, gone
found = host.node(booking).node
assert found and found.typename__ == "Booking" and found.id == booking, found
span = BetweenInput.model_validate({"from": f"{day}T00:00:00Z", "to": f"{day + timedelta(days=9)}T00:00:00Z"})
blocked = player.block_time(
    TimeInput(
        startsAt=f"{day}T10:00:00Z", endsAt=f"{day}T12:00:00Z", timeZone="Europe/Berlin", title="Dentist"
    )
).block_time
assert blocked and blocked.slot, blocked
assert [slot.id for slot in player.my_calendar(span).my_calendar or []] == [blocked.slot.id]
removed = player.remove_time(blocked.slot.id).remove_time
assert removed and not removed.user_errors, removed
step("cancelled the request, found the booking by its global id, blocked and freed a time")
