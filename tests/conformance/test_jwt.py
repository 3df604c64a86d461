"""The public cases of tokens: those of SHARED/conformance/policies, and wycheproof's vectors of signatures
and keys.
"""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from gateway.app import create_gateway
from gateway.core.envelope import encoded_body
from gateway.core.errors import RequestError
from gateway.core.jsontext import read_json
from gateway.http.respond import http_reply
from gateway.request.graphql_request import GraphQLRequest
from gateway.security.key_sets import KeySetError, fitting, read_key_set
from gateway.security.tokens import InvalidToken, read_header, verified_payload
from gateway.settings import ASYMMETRIC, AuthenticationSettings, ClaimRule, IssuerSettings, Settings
from tests.conformance.suites import ABSENT, FOLDER, local_executor
from tests.conformance.test_authorization import document, subgraphs

POLICIES = FOLDER / "policies"
pytestmark = pytest.mark.skipif(not POLICIES.exists(), reason=ABSENT)
CONTESTED = {
    **dict.fromkeys((346, 350), "a PS384 token, but the key is for PS256"),
    **dict.fromkeys((347, 351), "the key's algorithm is written ES521, which does not exist"),
    **dict.fromkeys((367, 370), "the same text is valid in vector 357"),
    **dict.fromkeys((372, 373), "a question mark is no base64url (RFC 7515, 2)"),
}
"""Vectors where we do not follow the file, by id, with the reason."""
ALGORITHMS = (*ASYMMETRIC, "HS256", "HS384", "HS512")


def read(name: str) -> Any:
    file = POLICIES / name
    return json.loads(file.read_text()) if file.exists() else {"cases": [], "testGroups": []}


CASES = read("jwt.json")["cases"]


@cache
def keys() -> dict[str, Any]:
    return {"k": RSAKey.generate_key(2048), "stranger": OctKey.generate_key(256)}


def token_of(given: Mapping[str, Any] | None) -> str | None:
    """Return the token that a case describes."""
    if given is None:
        return None
    if "raw" in given:
        return str(given["raw"])
    header = {"alg": given["alg"]} | ({"kid": given["kid"]} if given["kid"] else {})
    claims = dict(given["claims"])
    if "exp_in" in given:
        claims["exp"] = int(time.time()) + given["exp_in"]
    found: str = jwt.encode(header, claims, keys()[given["key"]], algorithms=[given["alg"]])
    return found


class Recorder:
    """A plugin that records the headers and the last extensions of subgraph requests."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.extensions: Any = None

    def on_call(self, context: Any, call: Any) -> None:
        self.headers.append(dict(call.headers.pairs))
        self.extensions = read_json(call.body).get("extensions")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
async def test_case(case: Mapping[str, Any], tmp_path: Path) -> None:
    """Tokens are accepted and refused as the case says, and claims reach the subgraphs."""
    given = {**read("jwt.json")["defaults"], **case["settings"]}
    members = read("jwt.json")["jwks"][given["jwks"]]
    found = [
        keys()[one["key"]].as_dict(private=False) | {n: v for n, v in one.items() if n != "key"}
        for one in members
    ]
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": found}))
    rules = [rule_of(one) for one in given["forward"]]
    issuer = IssuerSettings(
        "case", jwks_file=str(tmp_path / "jwks.json"), issuers=tuple(given["issuers"] or ())
    )
    authentication = AuthenticationSettings((issuer,), required=given["required"], claims=tuple(rules))
    local = {name: local_executor(one) for name, one in subgraphs("shop").items()}
    recorder = Recorder()
    gateway = create_gateway(
        document()["schemas"]["shop"]["supergraph"],
        Settings(authentication=authentication),
        local,
        plugins=[recorder],
    )
    for request in case["requests"]:
        recorder.headers.clear()
        token, expected = token_of(request["token"]), request["expected"]
        headers = {"authorization": f"Bearer {token}"} if token else {}
        envelope = await gateway.answer(GraphQLRequest(request["query"]), headers)
        reply, answer = http_reply(envelope, "application/json"), read_json(encoded_body(envelope))
        assert reply.status == expected["status"], answer
        if "data" in expected:
            assert answer == {"data": expected["data"]}
            assert len(recorder.headers) == sum(expected.get("subgraph_requests", {}).values())
            for forwarded in expected.get("forwarded", {}).values():
                assert recorder.headers[0].items() >= forwarded.get("headers", {}).items()
                if "extensions" in forwarded:
                    claims = token_claims(token or "")
                    assert recorder.extensions == {
                        name: claims if value == "@claims" else value
                        for name, value in forwarded["extensions"].items()
                    }
        else:
            assert answer["errors"][0]["extensions"]["code"] == expected["code"]
            challenge = dict(reply.headers())[b"www-authenticate"].decode()
            word = expected["challenge"]
            assert challenge == ("Bearer" if word is None else f'Bearer error="{word}"')


def rule_of(given: Mapping[str, Any]) -> ClaimRule:
    """Return a rule of a case in the gateway's own terms."""
    claim = "*" if given["value"] == "@claims" else given["value"].removeprefix("@claims.")
    if given.get("into") == "extensions":
        return ClaimRule(claim, extension=given["name"], default=given.get("else"))
    return ClaimRule(claim, given["name"], default=given.get("else"))


def token_claims(token: str) -> Any:
    """Return the claims of a token, unverified."""
    part = token.split(".")[1]
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def vectors(name: str) -> list[tuple[str, Any, Any]]:
    groups = read(f"wycheproof/{name}")["testGroups"]
    return [
        (
            f"{group.get('comment')} {one['tcId']} {one['comment']}",
            group.get("public") or group["private"],
            one,
        )
        for group in groups
        for one in group["tests"]
    ]


def accepts(jwk: Any, token: Any) -> bool:
    """Return whether the signature of a token is accepted with a key or a key set."""
    try:
        header = read_header(token)
        found = fitting(read_key_set(json.dumps(jwk)), header.key_id, header.algorithm)
        if not found or header.algorithm not in ALGORITHMS:
            return False
        verified_payload(token, header.algorithm, found)
    except (InvalidToken, KeySetError, RequestError):
        return False
    return True


@pytest.mark.parametrize("name", ["json_web_signature_test.json", "json_web_key_test.json"])
def test_wycheproof(name: str) -> None:
    """Nothing invalid is accepted, nothing valid is refused; prints how many vectors there are."""
    every = vectors(name)
    wrong = []
    for shown, jwk, one in every:
        expected = one["result"] == "valid"
        if (reason := CONTESTED.get(one["tcId"])) and name.startswith("json_web_signature"):
            assert accepts(jwk, one["jws"]) != expected, reason
            continue
        if accepts(jwk, one["jws"]) != expected:
            wrong.append((shown, one["result"], one["flags"]))
    print(f"{name}: {len(every)} vectors")  # noqa: T201
    assert wrong == []
