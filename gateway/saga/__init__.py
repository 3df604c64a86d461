"""Sagas: named steps that happen all or are undone, whatever dies on the way.

Knows neither GraphQL nor any domain.
"""
