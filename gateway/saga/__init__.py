"""Sagas: sequences of named steps of which all are done or all are undone, even when processes crash.

Independent of GraphQL and of any domain. `definition` defines them, `runner` runs them, `journal` stores
them.
"""
