"""Sagas per second, ours beside DBOS.

The same five mutations on the same services and PostgreSQL (`make bench-sagas`).
"""
