"""Checks that skills exist, by a query to their owner, the musicians service.

While the musicians service does not answer, every id is accepted: an unknown skill in a request only means
that no musician has it.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog

from gateway.core.errors import SubgraphError
from gateway.transport.base import Transport
from subgraphs.kit.client import ServiceClient
from subgraphs.kit.errors import BadUserInput

log = structlog.get_logger("subgraphs.skills")
_QUERY = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Skill { uuid } } }"


class SkillOwner:
    """The musicians service, as the owner of the catalogue of skills; None as `transport`: check nothing."""

    def __init__(self, transport: Transport | None) -> None:
        self._client = None if transport is None else ServiceClient(transport, None)

    async def check_known(self, ids: Sequence[UUID]) -> None:
        """Raise BadUserInput, which names all of them, if there are no skills with some of these ids."""
        if self._client is None or not ids:
            return
        wanted = [{"__typename": "Skill", "uuid": str(key)} for key in ids]
        try:
            found = (await self._client.query("musicians", _QUERY, {"r": wanted}))["_entities"]
        except SubgraphError as error:
            log.warning("skills were not checked", reason=str(error))
            return
        unknown = [str(key) for key, skill in zip(ids, found, strict=True) if skill is None]
        if unknown:
            raise BadUserInput(
                f"'requiredSkills' must be skills of the catalogue; there are none with the ids"
                f" {', '.join(unknown)}",
                "requiredSkills",
            )
