"""Merging the subgraphs' types: unions of what is answered, intersections of what is accepted."""
