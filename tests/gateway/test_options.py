"""Options of the form NAME=VALUE: every limit and connection setting can be set, and errors suggest similar
names.
"""

from dataclasses import fields
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.core.errors import SettingsError
from gateway.options import ServeOptions, changed
from gateway.settings import ConnectionSettings, Limits, Settings, SubgraphSettings


@pytest.mark.parametrize("kind", [Limits, ConnectionSettings])
def test_every_setting_is_reachable(kind: type[Any]) -> None:
    """Each setting can be set by its own name, with a value of its own type."""
    for one in fields(kind):
        text = {bool: "true", float: "2.5", int: "7"}.get(type(one.default), "1.5")
        value = changed(kind, [f"{one.name}={text}"], "--x")[one.name]
        assert one.default is None or type(value) is type(one.default)
        kind(**{one.name: value})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("dept=5", "did you mean depth"),
        ("nonsense=5", "expected one of body, batch, tokens"),
        ("depth", "NAME=VALUE"),
        ("depth=", "NAME=VALUE"),
        ("depth=five", "a whole number, got 'five'"),
        ("depth=1.5", "a whole number"),
        ("depth=0", "greater than 0"),
        ("depth=-3", "greater than 0"),
    ],
)
def test_what_is_wrong_is_said(given: str, words: str) -> None:
    """The message has the option, the name and the expected value."""
    with pytest.raises(SettingsError, match=words) as caught:
        changed(Limits, [given], "--limit")
    assert "--limit" in caught.value.message


def test_a_setting_twice_is_a_mistake() -> None:
    """A name that is set twice is refused."""
    with pytest.raises(SettingsError, match="twice"):
        changed(Limits, ["depth=5", "depth=6"], "--limit")


def test_other_types() -> None:
    """Numbers with underscores, booleans and file names are accepted."""
    assert changed(Limits, ["body=2_000_000"], "--limit") == {"body": 2_000_000}
    assert changed(ConnectionSettings, ["compressed=True", "ca=/x.pem"], "--connection") == {
        "compressed": True,
        "ca": "/x.pem",
    }
    with pytest.raises(SettingsError, match="true or false"):
        changed(ConnectionSettings, ["compressed=1"], "--connection")


def test_a_header_that_can_not_be_forwarded() -> None:
    """The option has the same limits as the setting."""
    found = CliRunner().invoke(app, ["serve", "--supergraph", "x", "--forward-header", "Content-Length"])
    assert isinstance(found.exception, SettingsError)
    assert "--forward-header: the header content-length is not for rules" in found.exception.message


def test_the_address_of_a_subgraph_keeps_its_other_settings() -> None:
    """--subgraph-url replaces only the address."""
    base = Settings("x", subgraphs={"a": SubgraphSettings("http://a", errors="masked")})
    given: dict[str, Any] = dict.fromkeys(item.name for item in fields(ServeOptions))
    options = ServeOptions(**{**given, "subgraph_url": ["a=http://b", "c=http://c"], "production": True})
    made = options.over(base)
    assert made.subgraphs["a"] == SubgraphSettings("http://b", errors="masked")
    assert made.subgraphs["c"] == SubgraphSettings("http://c")
    assert made.errors.mode == "masked"
