"""The users service: accounts, profiles and log-in.

It signs the tokens by which services identify callers.
"""
