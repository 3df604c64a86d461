"""Merging: combines the types of all subgraphs into one MergedSchema. Start at `types.merge_schema`.

Output types get the union of the subgraphs' fields, input types and arguments only what all subgraphs have.
"Sides" are the pairs of a subgraph and its definition of the element.
"""
