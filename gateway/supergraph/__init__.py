"""The supergraph: what every subgraph knows of every type, read from an SDL with the join spec."""
