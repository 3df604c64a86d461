"""Compares the sagas per second of our engine with the workflows per second of DBOS: `make bench-sagas`.

Both call the same five mutations of the same services, with the same PostgreSQL.
"""
