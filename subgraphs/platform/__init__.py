"""The `mussikon` command: it starts and supervises servers, services and the gateway, and loads sample data.

`cli` has the commands, `tables` the services and servers, `launcher` and `in_process` run the platform.
"""
