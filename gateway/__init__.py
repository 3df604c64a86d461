"""A GraphQL federation gateway.

Composes subgraphs by Apollo Federation v2, plans operations over them, and runs them.
"""
