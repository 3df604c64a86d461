"""Rate limits: no caller gets more than the limit in any interval of the window's length.

The algorithm: a window is cut into 100 slots. What was admitted is counted by slot; a request is admitted if
the current slot and the 100 before it, which cover every interval of the window's length that ends now,
have room for it. So the limit is never exceeded, and a caller that always asks gets at least 100/101 of it.
Counting is all or nothing over the rules of a request: what one rule refuses is counted in none.

`MemoryRates` counts in the process, `RedisRates` for all gateways, by one script.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.core.clock import SYSTEM_CLOCK, Clock
from gateway.security.redis_link import RedisLink, RedisUnavailable

SLOTS = 100


class Charge:
    """What a request counts in one rule for one caller; remembered for the caller's next requests.

    - `key`: of the rule and the caller. `amount`, `limit`: in requests or in cost. `window`: in seconds.
    - `slots`: in a second. `policy`: the response header with the limit. `left`: the start of the value of
      the one with what is left.
    """

    __slots__ = ("amount", "key", "left", "limit", "policy", "rule", "slots", "window")

    def __init__(self, rule: str, key: str, amount: int, limit: int, window: float) -> None:
        self.rule = rule
        self.key = key
        self.amount = amount
        self.limit = limit
        self.window = window
        self.slots = SLOTS / window
        self.policy = (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (rule.encode(), limit, window))
        self.left = b'"%b";r=' % rule.encode()

    def headers(self, left: int) -> tuple[tuple[bytes, bytes], ...]:
        """Return the response headers (draft-ietf-httpapi-ratelimit-headers). `left`: what the caller has."""
        return self.policy, (b"ratelimit", b"%b%d" % (self.left, left))


class Verdict(NamedTuple):
    """Whether a request is admitted.

    `refused`: the position of the charge that refuses it; None if it is admitted. `remaining`: what each
    charge's caller has left. `wait`: the seconds until there may be room, where it is refused.
    """

    refused: int | None
    remaining: tuple[int, ...]
    wait: float = 0.0


class Rates(Protocol):
    """Counts requests."""

    async def admit(self, charges: Sequence[Charge]) -> Verdict:
        """Count charges, all of them or none."""
        ...


class _Slots:
    """The admitted amounts of one caller by slot: the last `slot` with its `amount`, and the earlier ones,
    the oldest first. `total`: of all of them.
    """

    __slots__ = ("amount", "earlier", "slot", "total")

    def __init__(self) -> None:
        self.earlier: deque[tuple[int, int]] = deque()
        self.slot = -1
        self.amount = 0
        self.total = 0

    def begin(self, slot: int) -> None:
        """Begin a slot, and forget those that no interval ending in it covers."""
        earlier = self.earlier
        if self.amount:
            earlier.append((self.slot, self.amount))
        while earlier and earlier[0][0] < slot - SLOTS:
            self.total -= earlier.popleft()[1]
        self.slot, self.amount = slot, 0

    def free_at(self, needed: int) -> int:
        """Return the first slot in which `needed` of the counted amount is forgotten."""
        for slot, amount in self.earlier:
            needed -= amount
            if needed <= 0:
                return slot + SLOTS + 1
        return self.slot + SLOTS + 1


class MemoryRates:
    """Counts in this process. `callers`: the number of callers and rules that are counted."""

    def __init__(self, callers: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self.callers = callers
        self.clock = clock
        self.slots: OrderedDict[str, _Slots] = OrderedDict()

    def admit_one(self, charge: Charge) -> int:
        """Count one charge, and return what its caller has left; less than 0 if it is not admitted."""
        slots = self.slots.get(charge.key)
        slot = int(self.clock.time() * charge.slots)
        if slots is None or slots.slot != slot:
            slots = self._of(charge.key, slot)
        amount = charge.amount
        left = charge.limit - slots.total - amount
        if left >= 0:
            slots.total += amount
            slots.amount += amount
        return left

    def admit_now(self, charges: Sequence[Charge]) -> Verdict:
        """Count charges, all of them or none."""
        now = self.clock.time()
        every = [(self._of(one.key, int(now * one.slots)), one) for one in charges]
        for position, (slots, one) in enumerate(every):
            over = slots.total + one.amount - one.limit
            if over > 0:
                left = tuple(max(each.limit - its.total, 0) for its, each in every)
                return Verdict(position, left, max(slots.free_at(over) / one.slots - now, 0.0))
        for slots, one in every:
            slots.amount += one.amount
            slots.total += one.amount
        return Verdict(None, tuple(one.limit - slots.total for slots, one in every))

    async def admit(self, charges: Sequence[Charge]) -> Verdict:
        """Count charges, all of them or none."""
        return self.admit_now(charges)

    def _of(self, key: str, slot: int) -> _Slots:
        """Return what was admitted of a caller, with `slot` as the last slot."""
        slots = self.slots.get(key)
        if slots is None:
            slots = self.slots[key] = _Slots()
            if len(self.slots) > self.callers:
                self.slots.popitem(last=False)
        if slots.slot != slot:
            self.slots.move_to_end(key)
            slots.begin(slot)
        return slots


SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local slots, found, refused, wait = 100, {}, 0, 0
for i, key in ipairs(KEYS) do
  local amount, limit = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  local length = tonumber(ARGV[3 * i]) / slots
  local slot = math.floor(now / length)
  local counted, total, old = redis.call('HGETALL', key), 0, {}
  local known = {}
  for j = 1, #counted, 2 do
    local at, count = tonumber(counted[j]), tonumber(counted[j + 1])
    if at < slot - slots then old[#old + 1] = counted[j]
    else total = total + count; known[#known + 1] = {at, count} end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
  if total + amount > limit and refused == 0 then
    refused = i
    table.sort(known, function(a, b) return a[1] < b[1] end)
    local over, free = total + amount - limit, slot
    for _, one in ipairs(known) do
      over = over - one[2]
      free = one[1]
      if over <= 0 then break end
    end
    wait = (free + slots + 1) * length - now
  end
  found[i] = {slot, amount, limit - total, length}
end
local reply = {refused, math.max(math.ceil(wait / 1000), 0)}
for i, key in ipairs(KEYS) do
  local one = found[i]
  if refused == 0 then
    redis.call('HINCRBY', key, string.format('%.0f', one[1]), one[2])
    redis.call('PEXPIRE', key, math.ceil(one[4] * (slots + 2) / 1000))
    one[3] = one[3] - one[2]
  end
  reply[i + 2] = math.max(one[3], 0)
end
return reply
"""


class RedisRates:
    """Counts in Redis, by the time of the Redis server. While Redis is away, `local` counts."""

    def __init__(self, link: RedisLink, local: MemoryRates) -> None:
        self.link = link
        self.local = local
        self.script = link.client.register_script(SCRIPT)

    async def admit(self, charges: Sequence[Charge]) -> Verdict:
        """Count charges, all of them or none."""
        keys = [self.link.key("rate", one.key) for one in charges]
        values: list[int] = []
        for one in charges:
            values += (one.amount, one.limit, round(one.window * 1_000_000))
        try:
            refused, wait, *left = await self.link.run(lambda _: self.script(keys, values))
        except RedisUnavailable:
            return self.local.admit_now(charges)
        return Verdict(refused - 1 if refused else None, tuple(left), wait / 1000)
