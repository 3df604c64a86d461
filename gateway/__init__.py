"""A GraphQL federation gateway: composes subgraphs by Apollo Federation v2, plans operations over them, and runs them."""
