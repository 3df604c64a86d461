"""The two formats of incremental responses, of which Apollo Client, urql and GraphiQL read one or both.

- `2022`: `multipart/mixed;deferSpec=20220824`. Each part has its path.
- `v0.2`: `multipart/mixed;incrementalSpec=v0.2`. Parts are announced as pending, with an id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """Something that is sent later: the fields of one object, or the rest of one list."""

    id: str
    path: Path
    label: str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was announced. `data`: of an object, None if it failed. `items`: of a list; None for an object.

    `start`: the index of the first item.
    """

    announced: Announced
    data: dict[str, Any] | None = None
    items: Sequence[Any] | None = None
    start: int = 0
    errors: Sequence[dict[str, Any]] = ()


class Format(Protocol):
    """How the payloads of an incremental response are written."""

    def first(self, response: dict[str, Any], announced: Sequence[Announced]) -> dict[str, Any]:
        """Return the first payload."""
        ...

    def next(
        self, delivered: Sequence[Delivered], announced: Sequence[Announced], has_next: bool
    ) -> dict[str, Any]:
        """Return a later payload. `announced`: what was found in it to be sent later."""
        ...


class Format2022:
    """deferSpec=20220824."""

    def first(self, response: dict[str, Any], announced: Sequence[Announced]) -> dict[str, Any]:
        return {**response, "hasNext": bool(announced)}

    def next(
        self, delivered: Sequence[Delivered], announced: Sequence[Announced], has_next: bool
    ) -> dict[str, Any]:
        return {"incremental": [self._item(one) for one in delivered], "hasNext": has_next}

    @staticmethod
    def _item(one: Delivered) -> dict[str, Any]:
        path = list(one.announced.path)
        item: dict[str, Any] = {"data": one.data, "path": path}
        if one.items is not None:
            item = {"items": list(one.items), "path": [*path, one.start]}
        if one.announced.label is not None:
            item["label"] = one.announced.label
        if one.errors:
            item["errors"] = list(one.errors)
        return item


class FormatV02:
    """incrementalSpec=v0.2."""

    def first(self, response: dict[str, Any], announced: Sequence[Announced]) -> dict[str, Any]:
        if not announced:
            return {**response, "hasNext": False}
        return {**response, "pending": _pending(announced), "hasNext": True}

    def next(
        self, delivered: Sequence[Delivered], announced: Sequence[Announced], has_next: bool
    ) -> dict[str, Any]:
        payload: dict[str, Any] = {"pending": _pending(announced)} if announced else {}
        if sent := [one for one in delivered if one.items is not None or one.data is not None]:
            payload["incremental"] = [self._item(one) for one in sent]
        payload["completed"] = [self._completed(one) for one in delivered]
        payload["hasNext"] = has_next
        return payload

    @staticmethod
    def _item(one: Delivered) -> dict[str, Any]:
        item: dict[str, Any] = {"id": one.announced.id}
        if one.items is not None:
            item["items"] = list(one.items)
        else:
            item["data"] = one.data
        if one.errors:
            item["errors"] = list(one.errors)
        return item

    @staticmethod
    def _completed(one: Delivered) -> dict[str, Any]:
        failed = one.items is None and one.data is None
        return {"id": one.announced.id, **({"errors": list(one.errors)} if failed else {})}


def _pending(announced: Sequence[Announced]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "path": list(one.path),
            **({"label": one.label} if one.label is not None else {}),
        }
        for one in announced
    ]


FORMATS: dict[str, Format] = {"2022": Format2022(), "v0.2": FormatV02()}
