"""The configuration file: values, units, the environment, secrets, and every mistake with its place."""

import json
from pathlib import Path

import pytest
import yaml

from gateway.config.load import ConfigError, read_config, settings_from
from gateway.config.schema import config_schema
from gateway.core.errors import SettingsError
from gateway.settings import Settings

FILE = Path("/etc/gateway/gateway.yaml")


def read(text: str, **environment: str) -> Settings:
    return settings_from(text, environment, FILE)


def mistakes(text: str, **environment: str) -> list[str]:
    """Return the lines of the error that a text gives, without the first."""
    with pytest.raises(ConfigError) as caught:
        read(text, **environment)
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


def test_an_empty_file_has_the_defaults() -> None:
    assert read("") == read("# nothing\n") == read("server:\n") == Settings()


def test_values_and_units() -> None:
    found = read(
        """
        supergraph: super.graphql
        server: {port: 4001}
        limits: {body: 2MB, depth: 7}
        timeout: 1500ms
        connections: {connect_timeout: 3, first_byte_timeout: 2m, max_reply: 1KiB}
        headers: {forward: [Authorization, X-Tenant]}
        subgraphs: {users: {url: "http://users/graphql"}}
        labels: [a, b]
        """
    )
    assert found.supergraph == "/etc/gateway/super.graphql"
    assert (found.server.port, found.server.host) == (4001, "127.0.0.1")
    assert (found.limits.body, found.limits.depth, found.limits.tokens) == (2_000_000, 7, 15_000)
    assert (found.timeout, found.connections.connect_timeout) == (1.5, 3)
    assert (found.connections.first_byte_timeout, found.connections.max_reply) == (120, 1024)
    assert found.headers.forward == ("authorization", "x-tenant")
    assert found.subgraphs["users"].url == "http://users/graphql"
    assert found.labels == frozenset("ab")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "server:\n  prot: 4000",
            "line 2, column 3: server.prot: there is no such setting; did you mean `port`?",
        ),
        ("zzz: 1", "line 1, column 1: zzz: there is no such setting; expected one of supergraph, compose,"),
        (
            "server: {port: 70000}",
            "line 1, column 16: server.port: expected a whole number, at least 1 and at most",
        ),
        ("server: {port: 0x1F4, workers: 1.5}", "server.workers: expected a whole number"),
        (
            "timeout: 0",
            "line 1, column 10: timeout: expected a duration such as 30s, 500ms or 5m, greater than 0",
        ),
        ("timeout: -5s", "timeout: expected a duration"),
        (
            "timeout: 5 weeks",
            "timeout: expected a duration such as 30s, 500ms or 5m, greater than 0, got '5 weeks'",
        ),
        ("compile: maybe", "compile: expected true or false, got 'maybe'"),
        (
            "http_status: draft",
            "http_status: expected one of audited, draft-2026, got 'draft'; did you mean draft-2026?",
        ),
        ("labels: a", "line 1, column 9: labels: expected a list such as [a, b], got 'a'"),
        ("labels: [a, [b]]", "line 1, column 13: labels.1: expected a text, got a list"),
        ("limits: 5", "line 1, column 9: limits: expected settings such as `name: value`"),
        (
            "subgraphs: {a: {url: ftp://x}}",
            "subgraphs.a.url: expected a URL that begins with http:// or https://",
        ),
        ("headers: {forward: ['x y']}", "headers.forward.0: expected the name of an HTTP header, got 'x y'"),
        ("limits: {depth: 1", "line 1, column 18: this is not valid YAML"),
        ("- a\n- b", "line 1, column 1: expected settings such as `server: {port: 4000}`"),
        ("labels: []\nlabels: []", "line 2, column 1: the key `labels` was already used on line 1, column 1"),
        ("labels: !!python/object/apply:os.system [id]", "YAML tags such as"),
        ("labels: !env X", "line 1, column 9: YAML tags such as !env are not supported"),
        ("a: 1\n---\nb: 2", "expected one YAML document, got a second one"),
        ("\x00", "this is not valid YAML"),
    ],
)
def test_mistake(text: str, expected: str) -> None:
    """A wrong value is reported with its line, its column, what is expected and what was found."""
    (line,) = mistakes(text)
    assert expected in line


def test_all_mistakes_are_reported_in_the_order_of_the_file() -> None:
    lines = mistakes("limts: {}\nserver: {port: x}\nlimits: {depth: 0, tokens: y}")
    assert [line.split(":")[0] for line in lines] == [
        "line 1, column 1",
        "line 2, column 16",
        "line 3, column 17",
        "line 3, column 28",
    ]


def test_anchors_can_not_make_a_file_large_or_endless() -> None:
    """Ten levels of ten references each would be ten billion values."""
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "expected at most 50,000 values" in mistakes("\n".join(levels))[0]
    assert "levels" in mistakes("a: &a [*a]")[0] or "YAML" in mistakes("a: &a [*a]")[0]
    assert "valid YAML" in mistakes("a: " + "[" * 5_000)[0] or "levels" in mistakes("a: " + "[" * 5_000)[0]
    assert "expected at most 1,000,000 characters" in mistakes("#" * 1_000_001)[0]


def test_variables_in_values() -> None:
    """Unquoted results are read as YAML, quoted ones stay texts; `$$` is a dollar sign."""
    text = """
        server:
          port: ${PORT}
          host: "${HOST:-0.0.0.0}"
        limits: {depth: 9}
        labels: ["$$a", "${B}-${B}"]
    """
    found = read(text, PORT="4002", B="b: {")
    assert (found.server.port, found.server.host, found.limits.depth) == (4002, "0.0.0.0", 9)
    assert found.labels == {"$a", "b: {-b: {"}


def test_a_variable_that_is_not_set() -> None:
    assert mistakes("timeout: ${NOPE}") == [
        "line 1, column 10: the environment variable NOPE is not set; set it, or write ${NOPE:-default}"
    ]
    assert "expected the name of an environment variable" in mistakes("sagas: ${a b}")[0]


def test_overrides_from_the_environment() -> None:
    """Names are compared without case, missing tables are made, and a mistake names the variable."""
    text = "limits: {depth: 5}\nsubgraphs: {Users: {url: http://a}}"
    found = read(
        text,
        GATEWAY__LIMITS__DEPTH="6",
        GATEWAY__SERVER__PORT="4003",
        GATEWAY__SUBGRAPHS__USERS__URL="http://b",
        GATEWAY__LABELS="[x, y]",
        OTHER="1",
    )
    assert (found.limits.depth, found.server.port) == (6, 4003)
    assert found.subgraphs["Users"].url == "http://b"
    assert found.labels == {"x", "y"}
    (line,) = mistakes(text, GATEWAY__LIMITS__DEPT="6")
    assert line == (
        "environment variable GATEWAY__LIMITS__DEPT: limits.dept: there is no such setting;"
        " did you mean `depth`?"
    )


def test_an_unreadable_file(tmp_path: Path) -> None:
    """The error names the file, whether it is missing, a folder, or not UTF-8."""
    with pytest.raises(SettingsError, match=r"no-file\.yaml can't be read"):
        read_config(tmp_path / "no-file.yaml", {})
    with pytest.raises(SettingsError, match="can't be read"):
        read_config(tmp_path, {})
    (tmp_path / "latin.yaml").write_bytes(b"# caf\xe9")
    with pytest.raises(SettingsError, match="not UTF-8 at byte 5"):
        read_config(tmp_path / "latin.yaml", {})


def test_the_schema_accepts_what_the_reader_accepts() -> None:
    """Every setting is in the JSON schema, with its description, and unknown ones are refused."""
    schema = json.loads(json.dumps(config_schema()))
    assert schema["additionalProperties"] is False
    (limits,) = [one for one in schema["properties"]["limits"]["anyOf"] if one["type"] == "object"]
    assert limits["properties"]["depth"]["default"] == 50
    assert all("description" in one for one in limits["properties"].values())


def test_yaml_is_read_as_pyyaml_reads_it() -> None:
    """Numbers, truth values and texts have the types that YAML gives them."""
    for text in ("true", "no", "5", "1_000", "0x1F", "1.5", "1e3", "a", "'5'"):
        key = {bool: "compile", int: "plan_cache", float: "timeout", str: "sagas"}[type(yaml.safe_load(text))]
        value = yaml.safe_load(text)
        assert getattr(read(f"{key}: {text}"), key) == value


@pytest.mark.parametrize("word", ["off", '"off"'])
def test_a_choice_is_what_is_written(word: str) -> None:
    """YAML reads off without quotes as false; as one of several words it is the word."""
    environment = {"GATEWAY__DOCUMENTS__MODE": word}
    for text, given in ((f"documents: {{mode: {word}}}", {}), ("timeout: 3s", environment)):
        assert settings_from(text, given, FILE).documents.mode == "off"
