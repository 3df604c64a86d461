"""The matching service: rankings of musicians for requests."""
