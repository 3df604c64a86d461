"""The supergraph as frozen values, read from an SDL with the join spec (`load`). Pure.

`planner` uses its query graph, `request` and `shape` the API schema that clients see.
"""
