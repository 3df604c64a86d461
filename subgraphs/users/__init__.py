"""The service that knows who somebody is: accounts, profiles and log-in."""
