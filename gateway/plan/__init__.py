"""Planning: a normalised operation becomes a plan, a graph of subgraph requests. Pure."""
