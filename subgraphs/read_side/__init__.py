"""The read side: read models of musicians, requests and rankings, computed from other services' events.

Events are stored in a local log (`log`), from which `projections` compute the read models. `freshness`
measures how far a read model is behind. `routing` answers a query from the read model if it is fresh (at most
five seconds behind), otherwise with `fallback`, which queries the command side: the services that own the
data.
"""
