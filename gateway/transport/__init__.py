"""How requests get to subgraphs: over HTTP, or to a service in the same process."""
