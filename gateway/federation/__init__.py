"""The elements of the federation spec: its directives by version, field sets, and comparison of constants.

Pure.
"""
