"""Composition: the subgraphs' SDLs become one supergraph SDL, or every reason why they can't."""
