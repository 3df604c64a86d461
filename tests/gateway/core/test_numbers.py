"""Numbers: their text is preserved, their keys compare values, and code that needs floats gets floats."""

import copy
import pickle
from decimal import Decimal
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.jsontext import encode_json, read_json
from gateway.core.numbers import ExactNumber, exact_number, number_key, plain_numbers

DIGITS = st.text("0123456789", min_size=1, max_size=25)
WHOLE = st.just("0") | DIGITS.map(lambda digits: f"1{digits}")
EXPONENT = st.builds(
    "{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 500)
)
NUMBERS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    WHOLE,
    st.just("") | DIGITS.map(lambda digits: f".{digits}"),
    st.just("") | EXPONENT,
)
CORNERS = [
    "1.10",
    "1e400",
    "-1E-400",
    "0.1000000000000000055",
    "123456789012345678901234567890",
    "-9223372036854775809",
    "18446744073709551616",
    "1.0",
    "0.0",
    "-0.0",
    "0.00001",
    "1e5",
    "100000.0",
    "1e16",
    "5e-324",
    "1.7976931348623157e308",
    "9007199254740993.0",
    "1" + "0" * 4_000,
]


@pytest.mark.parametrize("text", CORNERS)
def test_a_number_is_written_as_it_was_read(text: str) -> None:
    """A number keeps its text, alone, in lists and in objects, however Python would write it as a float."""
    for document in (text, f"[{text}]", f'{{"a":[{{"b":{text}}}]}}'):
        assert encode_json(read_json(document)) == document.encode()


@given(NUMBERS)
def test_all_numbers_are_written_as_they_were_read(text: str) -> None:
    """Random numbers keep their text, except for the sign of an integer zero."""
    written = encode_json(read_json(text)).decode()
    assert written == ("0" if text == "-0" else text)


@given(NUMBERS, NUMBERS)
def test_marks_are_equal_when_values_are(first: str, second: str) -> None:
    """Keys are equal exactly if the values are, also where floats can't represent the difference."""
    marks = [number_key(read_json(text)) for text in (first, second)]
    assert (marks[0] == marks[1]) == (Decimal(first) == Decimal(second))


@pytest.mark.parametrize(
    "texts",
    [
        ["1", "1.0", "1.00", "10e-1", "0.1e1", "1e0", "1E+0"],
        ["0", "0.0", "-0.0", "0e9", "0.000e-5"],
        ["1e22", "10000000000000000000000", "1e+22", "10000000000000000000000.0"],
        ["1e23", "100000000000000000000000", "1.0e23"],
        ["1e400", "1" + "0" * 400, "10e399"],
        ["0.1", "0.10", "1e-1", "1E-1"],
        ["-2.5", "-25e-1", "-2.50"],
    ],
)
def test_one_number_has_one_mark(texts: list[str]) -> None:
    """Different texts of one number have one key, also where a float is inexact or infinite."""
    marks = {number_key(read_json(text)) for text in texts}
    assert len(marks) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0.1", "0.1000000000000000055"),
        ("1e400", "1e401"),
        ("1e-400", "0"),
        ("9007199254740993.0", "9007199254740992"),
    ],
)
def test_other_numbers_have_other_marks(first: str, second: str) -> None:
    """Different numbers have different keys, even if their floats are equal."""
    assert number_key(read_json(first)) != number_key(read_json(second))


@pytest.mark.parametrize("text", ["1e" + "9" * 5_000, "0." + "1" * 5_000, "1" * 4_300 + ".5"])
def test_monstrous_numbers_are_marked_by_their_text(text: str) -> None:
    """Extremely long numbers have a key that costs little to compute, and keep their text."""
    assert number_key(read_json(text)) == number_key(read_json(text))
    assert encode_json(read_json(text)) == text.encode()


def test_it_is_a_float() -> None:
    """An ExactNumber can be computed, compared, formatted and copied like a float."""
    number = exact_number("1.10")
    assert isinstance(number, ExactNumber)
    assert (number, number + 1, str(number), repr(number), float(number)) == (1.1, 2.1, "1.10", "1.10", 1.1)
    assert Decimal(str(number)) == Decimal("1.10")
    for twin in (copy.copy(number), copy.deepcopy([number])[0], pickle.loads(pickle.dumps(number))):
        assert (type(twin), twin.text) == (ExactNumber, "1.10")
    assert exact_number("1e400") == inf
    assert type(exact_number("1.5")) is float


def test_plain_numbers() -> None:
    """`plain_numbers` returns floats; a number beyond the range of floats remains an ExactNumber."""
    found = plain_numbers(read_json('{"a":[1.10,{"b":2.50}],"c":"1.10","d":1e400,"e":7,"f":null}'))
    assert found == {"a": [1.1, {"b": 2.5}], "c": "1.10", "d": inf, "e": 7, "f": None}
    assert {type(one) for one in (found["a"][0], found["a"][1]["b"])} == {float}
    assert type(found["d"]) is ExactNumber


@pytest.mark.parametrize("value", [object(), Decimal, 1j])
def test_what_json_can_not_hold(value: object) -> None:
    """A value that JSON can't represent still raises TypeError."""
    with pytest.raises(TypeError, match="unsupported"):
        encode_json([value])
