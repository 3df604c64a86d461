"""Sagas: sequences of named steps that all happen, or are undone, even when processes crash. Independent of
GraphQL and of any domain.
"""
