"""Which events are for a subscriber: the conditions of the settings, with the arguments and claims applied.

Example: the condition `event: [payload.client_id], claim: sub`, for a caller with the subject u1, becomes
`Equals((("payload", "client_id"),), "u1")`; the event `{"payload": {"client_id": "u2"}}` does not meet it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.event_streams.entries import Event, at_path
from gateway.settings import EventCondition

EARTH_KM = 6_371.0
Path = tuple[str, ...]
Test = Callable[[Event], bool]
Convert = Callable[[Any], Any]


def path_of(text: str) -> Path:
    """Return a path of the settings, such as `payload.id`, as its keys."""
    return tuple(text.split("."))


def is_met(tests: Sequence[Test], event: Event) -> bool:
    """Return whether an event meets all conditions."""
    return all(test(event) for test in tests)


def _never(_: Event) -> bool:
    return False


class Condition:
    """A condition of the settings. `convert`: for the argument's value; None for none."""

    def __init__(self, settings: EventCondition, convert: Convert | None) -> None:
        self.settings = settings
        self.convert = convert
        self.paths = tuple(path_of(one) for one in settings.event)
        self.argument = path_of(settings.argument) if settings.argument is not None else None
        self.claim = path_of(settings.claim) if settings.claim is not None else None

    def test(self, arguments: Mapping[str, Any], claims: Mapping[str, Any]) -> Test | None:
        """Return the test of events for a subscriber; None if every event meets it."""
        if self.settings.values:
            return _one_of(self.paths, frozenset(self.settings.values))
        if self.claim is not None:
            value = at_path(claims, self.claim)
            return _never if value is None else self._compared(value)
        value = at_path(arguments, self.argument or ())
        if value is None:
            return None
        if self.convert is not None:
            value = _converted(self.convert, value)
            if value is None:
                return _never
        return self._compared(value)

    def _compared(self, value: Any) -> Test:
        if self.settings.match == "near":
            return _near(self.paths[0], value)
        if self.settings.match == "overlaps":
            return _overlaps(self.paths, value)
        return Equals(self.paths, value)


def _converted(convert: Convert, value: Any) -> Any:
    """Return a converted value; None for a value that can't be converted. A list is converted by elements."""
    if isinstance(value, list):
        return [found for one in value if (found := _converted(convert, one)) is not None]
    try:
        return convert(value)
    except (TypeError, ValueError):
        return None


def text_of(value: Any) -> Any:
    """Return a value as it is compared, by its text: the number 1 and the text "1" are the same."""
    if value is None or isinstance(value, str):
        return value
    return str(value)


def _one_of(paths: Sequence[Path], values: frozenset[str]) -> Test:
    return lambda event: any(text_of(at_path(event, path)) in values for path in paths)


class Equals:
    """The test of one value at several paths."""

    __slots__ = ("paths", "value")

    def __init__(self, paths: tuple[Path, ...], value: Any) -> None:
        self.paths = paths
        self.value = text_of(value)

    def __call__(self, event: Event) -> bool:
        """Return whether an event has the value at one of the paths."""
        for path in self.paths:
            found = at_path(event, path)
            if found is not None and text_of(found) == self.value:
                return True
        return False


def _overlaps(paths: Sequence[Path], value: Any) -> Test:
    wanted = [text_of(one) for one in value] if isinstance(value, list) else [text_of(value)]

    def test(event: Event) -> bool:
        for path in paths:
            found = at_path(event, path)
            elements = found if isinstance(found, list | tuple) else [found]
            if any(text_of(one) in wanted for one in elements if one is not None):
                return True
        return False

    return test


def _near(path: Path, value: Any) -> Test:
    """Return the test of a distance. `value`: an object with `latitude`, `longitude` and `radiusKm`."""
    place = _place(value)
    radius = value.get("radiusKm") if isinstance(value, Mapping) else None
    if place is None or not isinstance(radius, int | float):
        return _never

    def test(event: Event) -> bool:
        found = _place(at_path(event, path))
        return found is not None and distance(place, found) <= radius

    return test


def _place(value: Any) -> tuple[float, float] | None:
    """Return the latitude and longitude in an object, in degrees; None without them."""
    if not isinstance(value, Mapping):
        return None
    found = value.get("latitude"), value.get("longitude")
    try:
        latitude, longitude = (float(one) for one in found if one is not None)
    except (TypeError, ValueError):
        return None
    return latitude, longitude


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two places in kilometres, on a sphere."""
    (latitude, longitude), (latitude2, longitude2) = (
        tuple(map(math.radians, place)) for place in (one, other)
    )
    half = math.sin((latitude2 - latitude) / 2) ** 2
    half += math.cos(latitude) * math.cos(latitude2) * math.sin((longitude2 - longitude) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
