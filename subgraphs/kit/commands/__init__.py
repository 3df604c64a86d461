"""Commands: changes that clients request, each stored under its `commandId` and executed once.

`log` stores and executes them, `recovery` executes interrupted ones later, `status` is the GraphQL type of a
command's status.
"""
