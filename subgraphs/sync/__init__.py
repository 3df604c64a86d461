"""The sync service: shows admins what happened to each event at each consumer, and repairs copies of other
services' data that differ from the originals.

A sync is one event of one service at one service that consumes it, with its status. `recording` writes syncs
from events and confirmations; `consistency` compares copies with their originals and repairs them.
"""
