"""What `mussikon run` prints when the platform runs."""

from dataclasses import replace

import pytest

from subgraphs.platform.console import welcome
from subgraphs.platform.options import Options
from subgraphs.platform.tables import SERVICES, ServiceTable

LOG_IN = 'mutation { logIn(input: {login: "demo_admin", password: "mussikon-demo"}) { session { token } } }'


def printed(capsys: pytest.CaptureFixture[str], options: Options, has_sample: bool = True) -> str:
    """Return what is printed with these options."""
    welcome(options, has_sample)
    return capsys.readouterr().out


def test_the_dashboard_and_how_to_log_in(capsys: pytest.CaptureFixture[str]) -> None:
    """The address of the dashboard is that of its service, and the log-in of the sample admin is complete."""
    words = printed(capsys, Options(port=5000))
    assert "http://127.0.0.1:5009/dashboard/" in words
    assert "http://127.0.0.1:5000/" in words
    assert LOG_IN in words
    assert "demo_admin" in words


def test_where_there_is_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Without ports of its own no service has a page, and without sample data there is no account."""
    assert "/dashboard/" not in printed(capsys, Options(in_process=True))
    assert LOG_IN not in printed(capsys, Options(), has_sample=False)
    few = ServiceTable((replace(SERVICES["users"]),))
    assert "/dashboard/" not in printed(capsys, Options(services=few))
