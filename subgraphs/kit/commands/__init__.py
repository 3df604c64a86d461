"""Commands: changes that clients request, each executed once.

A command is stored under an id that follows from its caller and the idempotency key.

`log` stores and executes them, `recovery` executes interrupted ones later, `status` is the GraphQL type of a
command's status.
"""
