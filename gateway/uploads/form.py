"""Requests with files (GraphQL multipart request specification), read while they arrive.

The form has the fields `operations` (the request, with null where a file belongs), `map` (for each file the
places where it belongs) and then the files. The operation starts as soon as the map is there.
"""

import re
from collections.abc import Mapping
from typing import Any

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from gateway.core.errors import RequestError
from gateway.core.headers import RequestHeaders
from gateway.core.jsontext import NotJson, read_json
from gateway.settings import UploadSettings
from gateway.uploads.files import OCTETS, UploadedFile, UploadFailed, Uploads

FORM = b"multipart/form-data"
LONGEST_NAME = 255  # characters of a file's name; the end of a longer one is kept, as it has the extension
_MEDIA = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
FIELDS = ("operations", "map")
ORDER = "expected the field `operations`, then `map`, then the files of a form with files, got {!r}"


def is_form(headers: RequestHeaders) -> bool:
    """Return whether a request has a form as its body."""
    return headers.raw.get(b"content-type", b"")[: len(FORM)].lower() == FORM


def form_boundary(headers: RequestHeaders) -> str:
    """Return the boundary between the parts of a form. Raises RequestError BAD_REQUEST."""
    _, options = parse_options_header(headers.get("content-type"))
    boundary: str = options.get("boundary", "")
    if not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise RequestError("the form has no valid boundary in its content type", "BAD_REQUEST")
    return boundary


class UploadForm:
    """A form, fed with its bytes as they arrive.

    - `payload`: the operation, or a list of some, with the files in their places, once both are known; None
      before.
    - `uploads`: the files, once they are known.
    """

    def __init__(self, headers: RequestHeaders, settings: UploadSettings, max_field: int) -> None:
        if headers.raw.get(b"content-encoding"):
            message = "expected a form without a content encoding"
            raise RequestError(message, "UNSUPPORTED_CONTENT_ENCODING")
        self.settings = settings
        self.max_field = max_field
        self.payload: Any = None
        self.uploads = Uploads(())
        self._parser = PushMultipartParser(
            form_boundary(headers), max_segment_count=settings.files + len(FIELDS), strict=True
        )
        self._operations: Any = None
        self._field = bytearray()
        self._name = ""
        self._by_name: dict[str, UploadedFile] = {}
        self._file: UploadedFile | None = None

    def feed(self, data: bytes) -> None:
        """Read bytes of the form.

        Raises RequestError before the operation is known. Later the files that have not arrived fail.
        """
        try:
            for event in self._parser.parse(data):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    self._end()
                else:
                    self._piece(bytes(event))
        except ParserLimitReached as error:
            message = f"expected a form with at most {self.settings.files} files and short headers: {error}"
            self._refuse(RequestError(message, "REQUEST_TOO_LARGE"))
        except MultipartError as error:
            self._refuse(RequestError(f"the form can't be read: {error}", "BAD_REQUEST"))
        except RequestError as error:
            self._refuse(error)

    def end(self) -> None:
        """The body has ended. Raises RequestError if the operation is not known."""
        if self.payload is None:
            message = "the form ends before its fields `operations` and `map`"
            raise RequestError(message, "BAD_REQUEST")
        for one in self.uploads.files:
            message = f"the form ends before the end of the file for {one.place}"
            one.fail(UploadFailed(message, "UPLOAD_INCOMPLETE"))

    def _refuse(self, error: RequestError) -> None:
        """Raise an error before the operation is known; later the files fail by it."""
        if self.payload is None:
            raise error
        self.uploads.fail(UploadFailed(error.message, error.code))

    # the parts

    def _begin(self, segment: MultipartSegment) -> None:
        self._name, self._field = segment.name, bytearray()
        if self.payload is not None:
            self._file = self._by_name.pop(segment.name, None)
            if self._file is None:
                raise RequestError(
                    f"the form has a file {segment.name[:60]!r} that its map does not name", "BAD_REQUEST"
                )
            given = segment.content_type or ""
            media = given if _MEDIA.fullmatch(given) else OCTETS
            self._file.begin(plain_name(segment.filename or ""), media)
        elif segment.name != FIELDS[self._operations is not None]:
            raise RequestError(ORDER.format(segment.name[:60]), "BAD_REQUEST")

    def _piece(self, data: bytes) -> None:
        file = self._file
        if file is None:
            self._field += data
            if len(self._field) > self.max_field:
                message = f"expected at most {self.max_field:,} bytes in the field {self._name}, got more"
                raise RequestError(message, "REQUEST_TOO_LARGE")
        elif file.size + len(data) > self.settings.size:
            message = f"expected a file of at most {self.settings.size:,} bytes for {file.place}, got more"
            raise RequestError(message, "REQUEST_TOO_LARGE")
        else:
            file.write(data)

    def _end(self) -> None:
        if self._file is not None:
            self._file.end()
            self._file = None
        elif self._name == FIELDS[0]:
            self._operations = self._json(dict | list)
        else:
            self._place(self._json(dict))

    def _json(self, expected: Any) -> Any:
        try:
            found = read_json(bytes(self._field))
        except NotJson as error:
            raise RequestError(f"the field {self._name} is not JSON: {error}", "INVALID_JSON") from error
        if not isinstance(found, expected):
            raise RequestError(f"expected a JSON object in the field {self._name}", "BAD_REQUEST")
        return found

    def _place(self, named: Mapping[str, Any]) -> None:
        """Put the files in their places of the operation. `named`: the map of the form."""
        if len(named) > self.settings.files:
            message = f"expected at most {self.settings.files} files, got {len(named)}"
            raise RequestError(message, "REQUEST_TOO_LARGE")
        for name, places in named.items():
            if not isinstance(places, list) or not places:
                message = f"expected a list of places for the file {name[:60]!r} in the field map"
                raise RequestError(message, "BAD_REQUEST")
            self._by_name[name] = file = UploadedFile(str(places[0])[:200])
            for place in places:
                put_file(self._operations, place, file)
        self.uploads = Uploads(self._by_name.values())
        self.payload = self._operations


def put_file(operations: Any, place: Any, file: UploadedFile) -> None:
    """Put a file where a request has null. `place`: such as `variables.files.0`, or `1.variables.file` in a
    list of requests.

    Raises RequestError BAD_REQUEST for a place that is not there, or is not null.
    """
    steps = place.split(".") if isinstance(place, str) else []
    here, last = operations, None
    for number, step in enumerate(steps):
        key = _key(here, step)
        if key is None or (number == isinstance(operations, list) and step != "variables"):
            break
        if number == len(steps) - 1:
            last = key
        else:
            here = here[key]
    if last is None or len(steps) < 2:
        message = f"expected the path of a variable in the field map, such as variables.file, got {place!r}"
        raise RequestError(message[:300], "BAD_REQUEST")
    if here[last] is not None:
        raise RequestError(f"expected null at {place[:200]}, where the map has a file", "BAD_REQUEST")
    here[last] = file


def _key(tree: Any, step: str) -> Any:
    """Return the key of a step in an object or a list; None if it is not there."""
    if isinstance(tree, dict):
        return step if step in tree else None
    if isinstance(tree, list) and step.isascii() and step.isdigit() and len(step) < 6:
        return int(step) if int(step) < len(tree) else None
    return None


def plain_name(filename: str) -> str:
    """Return the name of a file without folders and control characters."""
    found = "".join(char for char in filename if char.isprintable())
    return found.replace("\\", "/").rpartition("/")[2][-LONGEST_NAME:]
