"""Compares two supergraphs from the clients' view: breaking, dangerous and safe changes (`gateway check`)."""
