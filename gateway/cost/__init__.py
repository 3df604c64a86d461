"""The cost of operations: estimated from the plan, and computed from the replies.

The rules are those of IBM's GraphQL Cost Directives specification, the weights those of Apollo's demand
control.
"""
