"""Tests of events' local times: nights, changes of the clock, and refused times."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from subgraphs.kit.errors import BadUserInput
from subgraphs.requests.messages import WallTimes
from subgraphs.requests.model import time_range_of

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def wall(
    day: str, start: str, end: str, zone: str = "Europe/Berlin", end_day: str | None = None
) -> WallTimes:
    """Return local times as a client sends them."""
    return WallTimes(
        event_date=date.fromisoformat(day),
        start_time=time.fromisoformat(start),
        end_time=time.fromisoformat(end),
        time_zone=zone,
        end_date=date.fromisoformat(end_day) if end_day else None,
    )


@pytest.mark.parametrize(
    ("times", "starts_at", "hours"),
    [
        (wall("2027-06-05", "19:00", "23:00"), "2027-06-05T17:00Z", 4),
        (wall("2027-06-05", "22:00", "02:00"), "2027-06-05T20:00Z", 4),
        (wall("2027-06-05", "00:00", "23:59"), "2027-06-04T22:00Z", 23 + 59 / 60),
        (wall("2027-12-31", "21:00", "03:00"), "2027-12-31T20:00Z", 6),
        (wall("2027-06-05", "12:00", "12:00", end_day="2027-06-06"), "2027-06-05T10:00Z", 24),
        (wall("2027-06-05", "12:00", "11:59", "Pacific/Kiritimati"), "2027-06-04T22:00Z", 23 + 59 / 60),
        # spring: the clock skips 02:00 to 03:00
        (wall("2027-03-27", "22:00", "04:00"), "2027-03-27T21:00Z", 5),
        (wall("2027-03-28", "01:30", "03:30"), "2027-03-28T00:30Z", 1),
        # autumn: 02:00 to 03:00 comes twice, the first is meant
        (wall("2027-10-30", "22:00", "04:00"), "2027-10-30T20:00Z", 7),
        (wall("2027-10-31", "01:30", "02:30"), "2027-10-30T23:30Z", 1),
        (wall("2027-10-31", "02:30", "03:30"), "2027-10-31T00:30Z", 2),
        (wall("2027-11-06", "20:00", "01:30", "America/New_York"), "2027-11-07T00:00Z", 5.5),
        # half an hour in Lord Howe
        (wall("2027-10-02", "23:00", "03:00", "Australia/Lord_Howe"), "2027-10-02T12:30Z", 3.5),
    ],
)
def test_wall_clock_becomes_utc(times: WallTimes, starts_at: str, hours: float) -> None:
    """An end at or before the start is on the next day, and the duration includes changes of the clock."""
    slot = time_range_of(times, NOW)
    assert slot.starts_at == datetime.fromisoformat(starts_at)
    assert slot.ends_at - slot.starts_at == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("times", "field", "words"),
    [
        (wall("2027-06-05", "20:00", "20:00"), "endTime", "equal"),
        (wall("2027-06-05", "20:00", "20:00", end_day="2027-06-05"), "endTime", "equal"),
        (wall("2027-06-05", "20:00", "20:01", end_day="2027-06-06"), "endTime", "24 hours"),
        (wall("2027-06-05", "20:00", "21:00", end_day="2027-06-09"), "endTime", "24 hours"),
        (wall("2027-06-05", "20:00", "19:00", end_day="2027-06-05"), "endTime", "before it starts"),
        (wall("2027-10-30", "12:00", "11:30"), "endTime", "24 hours"),
        (wall("2026-12-31", "20:00", "23:00"), "eventDate", "past"),
        (wall("2027-01-01", "00:30", "03:00"), "eventDate", "past"),
        (wall("2031-01-01", "20:00", "23:00"), "eventDate", "three years"),
        (wall("2027-03-28", "02:30", "05:00"), "startTime", "skip 02:30"),
        (wall("2027-03-27", "22:00", "02:30"), "endTime", "skip 02:30"),
        (wall("2027-06-05", "20:00", "23:00", "Mars/Olympus"), "timeZone", "IANA"),
        (wall("2027-06-05", "20:00", "23:00", "../../etc/passwd"), "timeZone", "IANA"),
        (wall("2027-06-05", "20:00", "23:00", "x" * 5000), "timeZone", "IANA"),
        (wall("0001-01-01", "00:00", "01:00"), "eventDate", "calendar"),
        (wall("9999-12-31", "22:00", "01:00", "America/New_York"), "eventDate", "calendar"),
    ],
)
def test_wrong_times_are_refused(times: WallTimes, field: str, words: str) -> None:
    """Each wrong input raises an error with its field and what is wrong."""
    with pytest.raises(BadUserInput, match=words) as caught:
        time_range_of(times, NOW)
    assert caught.value.extensions["field"] == field
