"""Test of the README's first example."""

import json
import re
from pathlib import Path

import pytest

from tests.system.conftest import Platform

pytestmark = pytest.mark.system
README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_first_query_answers_as_printed(platform: Platform) -> None:
    """The README's query returns the response that is printed below it."""
    bodies = re.findall(r"-d '(\{\"query\":.*?\})'\n```", README, re.DOTALL)
    queries = [json.loads(body.replace("\n", " "))["query"] for body in bodies]
    printed = json.loads(re.findall(r"```json\n(.*?)\n```", README, re.DOTALL)[0])
    assert platform.post(queries[0]) == printed
    assert platform.post(queries[1])["data"]["logIn"]["session"]["token"].count(".") == 2
