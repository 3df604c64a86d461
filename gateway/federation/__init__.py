"""The elements of the federation spec: directives, links, field sets."""
