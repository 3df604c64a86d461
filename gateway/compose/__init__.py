"""Composition: the subgraphs' SDLs become one supergraph SDL, or a list of all errors."""
