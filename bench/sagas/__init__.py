"""Sagas per second, ours beside DBOS: the same five mutations on the same services and PostgreSQL (`make bench-sagas`)."""
