"""From a document's text to a normalised operation: parse, validate, variables, normalize. Pure."""
