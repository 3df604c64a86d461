"""Commands by id: `log` executes each once, `recovery` executes interrupted ones, `status` is the GraphQL
type.
"""
