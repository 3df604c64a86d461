"""The users service: accounts, profiles and log-in."""
