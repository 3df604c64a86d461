"""The read side: read models of musicians, requests and rankings in a database of their own, kept by the
others' events.
"""
