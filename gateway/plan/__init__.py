"""Planning: turns a normalized operation into a plan, the requests to subgraphs that answer it. Pure.

Start at `planner.plan_operation`. `nodes` has the plan's classes; `place` and `choose` have worked examples.
"""
