"""Reads the headers Signature-Input and Signature (structured fields, RFC 9651, as RFC 9421 needs them).

Example: `gateway=("@method" "content-digest");created=1618884473;keyid="k"` is the member `gateway` with the
components `@method` and `content-digest` and two parameters. Escapes in strings are not supported, since no
component and no value that the gateway writes needs one.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple

LONGEST = 16_384  # bytes of a header
_KEY = rb"[a-z*][a-z0-9_.*-]*"
_STRING = rb'"[ !#-\[\]-~]*"'
_VALUE = (
    rb"(?:" + _STRING + rb"|-?[0-9]{1,15}|\?[01]|:[A-Za-z0-9+/=]*:|[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*)"
)
_PARAMETERS = rb"(?:;" + _KEY + rb"(?:=" + _VALUE + rb")?)*"
_ITEM = _STRING + _PARAMETERS
_LIST = rb"\((?:" + _ITEM + rb"(?: " + _ITEM + rb")*)?\)"
_INPUT = re.compile(rb"(" + _KEY + rb")=((" + _LIST + rb")(" + _PARAMETERS + rb"))")
_SIGNATURE = re.compile(rb"(" + _KEY + rb")=:([A-Za-z0-9+/]*={0,2}):")
_BETWEEN = re.compile(rb"[ \t]*,[ \t]*")
_ONE_ITEM = re.compile(rb"(" + _STRING + rb")(" + _PARAMETERS + rb")")
_ONE_PARAMETER = re.compile(rb";(" + _KEY + rb")(?:=(" + _VALUE + rb"))?")


class Unreadable(ValueError):
    """A header that is not a dictionary of the expected form."""


class SignatureInput(NamedTuple):
    """A member of Signature-Input.

    `raw`: its text, which is signed as it is. `components`: their names. `parameters`: texts without quotes.
    """

    raw: bytes
    components: tuple[str, ...]
    parameters: Mapping[str, str]


def read_inputs(header: bytes) -> dict[str, SignatureInput]:
    """Return the members of a Signature-Input header. Raises Unreadable."""
    return {
        found[1].decode(): SignatureInput(found[2], _components(found[3]), _parameters(found[4]))
        for found in _members(header, _INPUT)
    }


def read_signatures(header: bytes) -> dict[str, bytes]:
    """Return the members of a Signature header. Raises Unreadable."""
    try:
        return {
            found[1].decode(): base64.b64decode(found[2], validate=True)
            for found in _members(header, _SIGNATURE)
        }
    except binascii.Error as error:
        raise Unreadable("a signature is not base64") from error


def _members(header: bytes, member: "re.Pattern[bytes]") -> "list[re.Match[bytes]]":
    """Return a match for each member of a dictionary."""
    if len(header) > LONGEST:
        raise Unreadable(
            f"expected a Signature or Signature-Input header of at most {LONGEST:,} bytes,"
            f" got {len(header):,}"
        )
    found, at = [], 0
    while True:
        match = member.match(header, at)
        if match is None:
            raise Unreadable(f"expected a member of the form NAME=VALUE at byte {at}")
        found.append(match)
        if match.end() == len(header):
            return found
        between = _BETWEEN.match(header, match.end())
        if between is None:
            raise Unreadable(f"expected a comma at byte {match.end()}")
        at = between.end()


def _components(text: bytes) -> tuple[str, ...]:
    """Return the components of an inner list, those with parameters included (`"@query-param";name="a"`)."""
    items = _ONE_ITEM.findall(text)
    return tuple((name[1:-1] + parameters).decode() for name, parameters in items)


def _parameters(text: bytes) -> dict[str, str]:
    return {name.decode(): value.decode().strip('"') for name, value in _ONE_PARAMETER.findall(text)}
