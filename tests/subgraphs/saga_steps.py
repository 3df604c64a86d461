"""One step of a saga, requested as the saga engine requests it; shared by the tests of saga steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from subgraphs.kit.testing import ApiUser, Client


@dataclass(frozen=True, slots=True)
class StepCall:
    """One step; `inputs` declares the arguments of its mutation, `given` has their values."""

    client: Client
    carrier: ApiUser
    mutation: str
    inputs: str
    given: Mapping[str, Any]
    saga_id: UUID = field(default_factory=uuid4)

    async def send(
        self,
        direction: str = "DO",
        token: int = 1,
        by: ApiUser | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send the step, and return the whole response; `changes` override arguments in `given`."""
        names = [part.partition(":")[0].strip() for part in self.inputs.split(",")]
        declared = ", ".join(f"${part.strip()}" for part in self.inputs.split(","))
        passed = ", ".join(f"{name}: ${name}" for name in names)
        query = f"mutation($order: StepOrder!, {declared}) {{ {self.mutation}(order: $order, {passed}) }}"
        order = {
            "sagaId": str(self.saga_id),
            "step": self.mutation,
            "direction": direction,
            "token": str(token),
        }
        return await self.client.send(
            query, by or self.carrier, order=order, **{**self.given, **(changes or {})}
        )

    async def do(self, token: int = 1, **changes: Any) -> Any:
        """Do the step, and return its result or error code."""
        return self.result_of(await self.send("DO", token, changes=changes))

    async def undo(self, token: int = 1) -> Any:
        """Undo the step, and return the result or error code."""
        return self.result_of(await self.send("UNDO", token))

    def result_of(self, answer: Mapping[str, Any]) -> Any:
        """Return the result in a response, or the error code."""
        if errors := answer.get("errors"):
            return str(errors[0]["extensions"]["code"])
        return answer["data"][self.mutation]
