"""A test of accounts on a whole platform, through the gateway and with a real SMTP server: confirm the
address, log out, restart, forget the password.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from subgraphs.platform.control import send_order
from tests.subgraphs.notifications.delivery_rig import Post, free_port, smtp_server
from tests.subgraphs.platform.test_run import Platform

pytestmark = pytest.mark.system
REGISTER = """mutation {
  register(input: {username: "ada", email: "ada@mail.example", password: "correct horse"}) {
    session { token } userErrors { code field message } } }"""
CONFIRM = """mutation($token: String!) {
  confirmEmail(token: $token) { user { username } userErrors { code field message } } }"""
FORGOT = """mutation {
  requestPasswordReset(email: "ada@mail.example") { email userErrors { code field message } } }"""
RESET = """mutation($token: String!) {
  resetPassword(token: $token, newPassword: "battery staple") {
    session { token } userErrors { code field message } } }"""
LOG_OUT = "mutation { logOut { endedSessions userErrors { code field message } } }"
ME = "{ me { username emailConfirmed } }"


def token_in(post: Post, page: str) -> str:
    """Return the token in the link to a page of the newest e-mail that has one, "" if none has."""
    pattern = re.compile(rf"https://site\.example/{page}#([\w-]+)".encode())
    found = [match for mail in post.received if (match := pattern.search(mail.replace(b"=\r\n", b"")))]
    return found[-1][1].decode() if found else ""


def refused(platform: Platform, port: int, token: str) -> bool:
    """Return whether the gateway or a service refuses a token."""
    headers = {"authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{platform.port + port}/graphql"
    answer = httpx.post(url, json={"query": "{ __typename }"}, headers=headers, timeout=30).json()
    codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
    return codes == ["UNAUTHENTICATED"]


def test_the_life_of_an_account(folder: Path) -> None:
    """E-mail that was due while the server was down arrives once it is up; tokens that have ended are refused
    by the gateway and each service, also after restarts of a service.
    """
    post, port = Post(), free_port()
    url = f"smtp://127.0.0.1:{port}?from=robot@mussikon.example"
    platform = Platform(folder, "--smtp-url", url, "--site-url", "https://site.example")
    try:
        platform.begin()
        old = platform.data_of(REGISTER)["register"]["session"]["token"]
        time.sleep(2)  # the first attempt meets no server
        with smtp_server(post, port):
            platform.wait_for(lambda: token_in(post, "confirm-email"))
            confirm(platform, post, old)
            ends_everywhere(platform, old)
            forgotten(platform, post)
        assert len(post.ids) == len(set(post.ids))
        assert not (platform.data / "mailbox").exists()
        page = httpx.get(f"http://127.0.0.1:{platform.port + 6}/mailbox", timeout=30)
        assert page.status_code == 404
    finally:
        platform.process.terminate()
        platform.process.wait(60)


def confirm(platform: Platform, post: Post, token: str) -> None:
    """Confirm the address by the link."""
    assert not platform.data_of(ME, token)["me"]["emailConfirmed"]
    answer = post_with(platform, CONFIRM, token_in(post, "confirm-email"))
    assert answer["data"] == {"confirmEmail": {"user": {"username": "ada"}, "userErrors": []}}
    assert platform.data_of(ME, token)["me"]["emailConfirmed"]


def post_with(platform: Platform, query: str, token: str) -> Any:
    """Send an operation with the variable `token`, without a log-in."""
    body = {"query": query, "variables": {"token": token}}
    return httpx.post(f"http://127.0.0.1:{platform.port}/graphql", json=body, timeout=60).json()


def ends_everywhere(platform: Platform, token: str) -> None:
    """Log out; the gateway and all services refuse the token within a second, and after a restart."""
    assert platform.data_of(LOG_OUT, token)["logOut"]["endedSessions"] == 1
    ports = range(13)
    within(1.0, lambda: all(refused(platform, port, token) for port in ports))
    for order in ("stop", "start"):
        send_order(platform.data / "run", order, "requests")
    platform.wait_for(lambda: platform.status()["requests"]["state"] == "running")
    assert refused(platform, 4, token)


def within(seconds: float, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; it is checked once more at the end of the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
    assert condition()


def forgotten(platform: Platform, post: Post) -> None:
    """Replace the password by the link in the e-mail."""
    assert platform.data_of(FORGOT)["requestPasswordReset"]["email"] == "ada@mail.example"
    platform.wait_for(lambda: token_in(post, "reset-password"))
    answer = post_with(platform, RESET, token_in(post, "reset-password"))
    token = answer["data"]["resetPassword"]["session"]["token"]
    assert platform.data_of(ME, token)["me"] == {"username": "ada", "emailConfirmed": True}
