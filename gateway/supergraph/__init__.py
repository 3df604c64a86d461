"""The supergraph: the types of each subgraph, read from an SDL with the join spec."""
