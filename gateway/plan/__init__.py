"""From a normalised operation to a plan: which subgraph is asked for what, after what. Pure."""
