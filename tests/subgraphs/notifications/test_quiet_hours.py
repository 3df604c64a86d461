"""Tests of quiet hours: over midnight, in the user's time zone, and over changes of the clock."""

from datetime import datetime, time
from uuid import uuid4

import pytest

from subgraphs.notifications.model import DeliverySettings


def settings(start: str = "22:00", end: str = "08:00", zone: str = "UTC") -> DeliverySettings:
    """Return a user's settings with these quiet hours."""
    return DeliverySettings(
        uuid4(),
        quiet_hours_start=time.fromisoformat(start),
        quiet_hours_end=time.fromisoformat(end),
        time_zone=zone,
    )


def test_the_defaults() -> None:
    """By default email and push are on, SMS is off, and quiet hours are from 22:00 to 08:00."""
    usual = DeliverySettings(uuid4())
    assert usual.channels("message") == ("email", "push")
    assert (usual.quiet_hours_start, usual.quiet_hours_end) == (time(22), time(8))


@pytest.mark.parametrize(
    ("chosen", "moment", "expected"),
    [
        (settings(), "2027-06-05T12:00Z", "2027-06-05T12:00Z"),
        (settings(), "2027-06-05T21:59:59Z", "2027-06-05T21:59:59Z"),
        (settings(), "2027-06-05T22:00Z", "2027-06-06T08:00Z"),
        (settings(), "2027-06-05T23:30Z", "2027-06-06T08:00Z"),
        (settings(), "2027-06-06T00:00Z", "2027-06-06T08:00Z"),
        (settings(), "2027-06-06T07:59Z", "2027-06-06T08:00Z"),
        (settings(), "2027-06-06T08:00Z", "2027-06-06T08:00Z"),
        (settings(zone="America/New_York"), "2027-06-05T23:30Z", "2027-06-05T23:30Z"),
        (settings(zone="America/New_York"), "2027-06-06T03:30Z", "2027-06-06T12:00Z"),
        (settings(zone="Asia/Kolkata"), "2027-06-05T17:00Z", "2027-06-06T02:30Z"),
        (settings("13:00", "15:00"), "2027-06-05T14:00Z", "2027-06-05T15:00Z"),
        (settings("13:00", "15:00"), "2027-06-05T16:00Z", "2027-06-05T16:00Z"),
        (settings("09:00", "09:00"), "2027-06-05T09:00Z", "2027-06-05T09:00Z"),
        # the night when the clock goes forward is an hour shorter, back an hour longer
        (settings(zone="Europe/Berlin"), "2027-03-27T22:00Z", "2027-03-28T06:00Z"),
        (settings(zone="Europe/Berlin"), "2027-10-30T21:00Z", "2027-10-31T07:00Z"),
        # an end that the clock skips: as much later
        (settings("22:00", "02:30", "Europe/Berlin"), "2027-03-27T22:00Z", "2027-03-28T01:30Z"),
    ],
)
def test_what_is_not_urgent_waits(chosen: DeliverySettings, moment: str, expected: str) -> None:
    """A notification in quiet hours is sent at their end, another one at once."""
    assert chosen.deliver_after(datetime.fromisoformat(moment), False) == datetime.fromisoformat(expected)


def test_what_is_urgent_goes_out() -> None:
    """Quiet hours do not delay urgent notifications."""
    night = datetime.fromisoformat("2027-06-05T23:30Z")
    assert settings().deliver_after(night, True) == night


def test_a_type_that_is_off_goes_nowhere() -> None:
    """A disabled type has no channels; types that are not in the settings are enabled."""
    chosen = DeliverySettings(
        uuid4(), sms_enabled=True, email_enabled=False, notification_types={"reminder": False}
    )
    assert chosen.channels("reminder") == ()
    assert chosen.channels("message") == ("push", "sms")
