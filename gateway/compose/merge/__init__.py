"""Merging the subgraphs' types: the union of output elements, the intersection of input elements."""
