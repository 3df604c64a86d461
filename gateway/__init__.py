"""A GraphQL federation gateway: it composes subgraphs by Apollo Federation v2, plans operations over them,
and executes the plans.
"""
