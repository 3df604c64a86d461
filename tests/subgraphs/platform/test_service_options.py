"""Tests of the settings of single services: options of `mussikon run`, variables, and their values."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from subgraphs.kit.settings import ServiceSettings, ServiceSettingsError
from subgraphs.kit.testing import SigningKeys
from subgraphs.platform import cli
from subgraphs.platform.environment import environment_of
from subgraphs.platform.options import Options
from subgraphs.platform.preparation import make_keys
from subgraphs.platform.servers import Servers
from subgraphs.platform.service_options import SERVICE_OPTIONS
from subgraphs.platform.tables import SERVICES
from subgraphs.users.settings import UsersSettings

URLS = {"postgres": "postgresql://nobody@127.0.0.1:1/postgres", "valkey": "redis://127.0.0.1:1/0"}


def test_options_reach_their_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option becomes the variable of its row, for its service only."""
    launched: list[Options] = []
    monkeypatch.setattr(cli, "launch", launched.append)
    words = ["run", "--data", str(tmp_path)]
    for row in SERVICE_OPTIONS:
        words += [f"--{row.parameter.replace('_', '-')}", f"value of {row.parameter}"]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    (options,) = launched
    servers, keys = Servers(tmp_path, print, dict(URLS)), make_keys(tmp_path)
    for service in SERVICES.names:
        variables = environment_of(service, options, servers, keys)
        expected = {
            row.variable: f"value of {row.parameter}" for row in SERVICE_OPTIONS if row.service == service
        }
        found = {
            row.variable: variables[row.variable] for row in SERVICE_OPTIONS if row.variable in variables
        }
        assert found == expected
    assert "value of" not in repr(options)
    assert options.mailbox_url is None


def test_the_mailbox_is_shown_outside_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is in the data folder; the page is off in production; own variables are passed on."""
    monkeypatch.setenv("USERS_REFRESH_TOKEN_DAYS", "7")
    servers, keys = Servers(tmp_path, print, dict(URLS)), make_keys(tmp_path)
    for production in (False, True):
        options = Options(data=tmp_path, production=production)
        variables = environment_of("notifications", options, servers, keys)
        assert variables["NOTIFICATIONS_MAILBOX"] == str(tmp_path.resolve() / "mailbox")
        assert ("NOTIFICATIONS_MAILBOX_PAGE" in variables) is not production
        assert options.mailbox_url == (None if production else "http://127.0.0.1:4006/mailbox")
        assert "USERS_REFRESH_TOKEN_DAYS" not in variables
        assert environment_of("users", options, servers, keys)["USERS_REFRESH_TOKEN_DAYS"] == "7"


def test_pictures_have_a_port_in_one_process_too(tmp_path: Path) -> None:
    """The users service gets its folder of pictures, and a port for them where it has none otherwise."""
    servers, keys = Servers(tmp_path, print, dict(URLS)), make_keys(tmp_path)
    for in_process, port in ((False, None), (True, "5001")):
        options = Options(port=5000, data=tmp_path, in_process=in_process)
        variables = environment_of("users", options, servers, keys)
        assert variables["USERS_PICTURES"] == str(tmp_path.resolve() / "pictures")
        assert variables.get("USERS_PICTURES_PORT") == port
        settings = UsersSettings.of(ServiceSettings.from_env("users", {**variables, "DATABASE_URL": "x"}))
        assert settings.pictures.public_url == "http://127.0.0.1:5001/pictures/"
        others = environment_of("notifications", options, servers, keys)
        assert "NOTIFICATIONS_MAILBOX_PORT" not in others


@pytest.mark.parametrize("value", ["59", "28801", "-1", "1.5", "soon", "²", "9" * 5000])
def test_wrong_lifetimes_are_named(keys: SigningKeys, value: str) -> None:
    """A lifetime that is no number or out of range is an error with the variable's name."""
    environment = {"DATABASE_URL": "x", "REDIS_URL": "x", "JWT_PUBLIC_KEY_FILE": str(keys.public)}
    settings = ServiceSettings.from_env("users", {**environment, "USERS_ACCESS_TOKEN_SECONDS": value})
    with pytest.raises(ServiceSettingsError, match="USERS_ACCESS_TOKEN_SECONDS"):
        UsersSettings.of(settings)
    empty = ServiceSettings.from_env("users", {**environment, "USERS_ACCESS_TOKEN_SECONDS": ""})
    assert UsersSettings.of(empty).access_seconds == 900
