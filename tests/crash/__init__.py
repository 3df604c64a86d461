"""Crash tests: processes that execute sagas are killed before and after every write, and the result is
checked (`make crash-test`).
"""
