"""Random queries with @defer and @stream over random supergraphs, merged, beside the monolith's response."""

import asyncio
from random import Random

from tests.fuzz.case import Question
from tests.fuzz.later import play
from tests.fuzz.operations import random_operation
from tests.fuzz.rig import Rig
from tests.fuzz.run import supply_of

CUTS, OPERATIONS = 5, 16


def test_parts_together_are_the_whole() -> None:
    """What clients have after the last payload is what they receive without @defer and @stream."""
    later, differing = 0, []
    with asyncio.Runner() as runner:
        for cut in range(CUTS):
            rig = Rig(supply_of(f"1-{cut}")[0])
            for number in range(OPERATIONS):
                query, variables = random_operation(Random(f"later {cut}/{number}"), rig.world.schema)
                if query.startswith("mutation"):
                    continue
                was_later, text = play(rig, Question(query, variables), f"{cut}/{number}", runner)
                later += was_later
                if text:
                    differing.append(f"{cut}/{number}: {text}")
    assert not differing, "\n\n".join(differing[:3])
    assert later >= 25
