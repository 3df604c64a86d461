"""The words of the federation spec: directives, links between specs, field sets."""
