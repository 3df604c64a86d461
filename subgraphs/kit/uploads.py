"""Files in the arguments of mutations: the scalar `Upload`, and how resolvers read a file.

A file has the methods of `gateway.uploads.files.UploadReader`, whether it came over HTTP
(`kit/form_requests`) or from a gateway in the same process. Its name and its type are what the client claims;
the content may be anything.
"""

from collections.abc import Mapping
from typing import Any, Final, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from gateway.uploads.files import UploadFailed, UploadReader
from subgraphs.kit.errors import BadUserInput, DomainError

_EXPECTED: Final = "expected a file, sent as a form (GraphQL multipart request), got another value"


class FileNotReceived(DomainError):
    """A file did not arrive whole; the code says why."""

    code = "UPLOAD_INCOMPLETE"

    def __init__(self, failure: UploadFailed) -> None:
        super().__init__(f"The file was not received: {failure}")
        self.code = failure.code


def _parse_value(value: Any) -> UploadReader:
    if not isinstance(value, UploadReader):
        raise GraphQLError(_EXPECTED)
    return value


def _parse_literal(*_: Any) -> Any:
    raise GraphQLError(_EXPECTED)


def _serialize(_: Any) -> Any:
    raise GraphQLError("A file is no output value")


Upload = NewType("Upload", UploadReader)
"""The type of an argument that is a file."""

SCALARS: Final[Mapping[object, ScalarDefinition]] = {
    Upload: strawberry.scalar(
        name="Upload",
        description="A file, sent as a form (GraphQL multipart request); in the operation it is a variable.",
        parse_value=_parse_value,
        parse_literal=_parse_literal,
        serialize=_serialize,
    )
}


async def read_file(file: UploadReader, field: str, most: int) -> bytes:
    """Return the content of a file of 1 to `most` bytes. `field`: the name of the argument, for errors.

    Raises BadUserInput, and FileNotReceived if the file does not arrive whole.
    """
    try:
        content = await file.read(most + 1)
    except UploadFailed as failure:
        raise FileNotReceived(failure) from failure
    if not content:
        raise BadUserInput(f"'{field}' must be a file with a content, got an empty one", field)
    if len(content) > most:
        raise BadUserInput(f"'{field}' must be a file of at most {most:,} bytes, got more", field)
    return content
