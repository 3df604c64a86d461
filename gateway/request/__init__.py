"""From the text of a document to a normalised operation: parse, validate, coerce variables,
normalize. Pure.
"""
