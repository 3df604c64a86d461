"""Reads the configuration file: YAML and the environment become `Settings`, every mistake with its place.

document (YAML with places) > environment (`${NAME}` and overrides) > read (values of the settings' types).
`load.read_config` does all of it; `schema` and `reference` describe the same types for editors and people.
"""
