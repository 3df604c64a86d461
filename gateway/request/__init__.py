"""Turns the text of a document into a normalized operation: parse, validate, coerce variables, normalize.
Pure.

`pipeline` calls these steps in this order.
"""
