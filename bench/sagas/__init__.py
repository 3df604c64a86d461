"""Compares the sagas per second of our engine with the workflows per second of DBOS: `make bench-sagas`.

Both do the steps of the booking saga: five mutations of five services, with the same PostgreSQL.
"""
