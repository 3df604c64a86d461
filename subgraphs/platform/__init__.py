"""The `mussikon` command: it starts and supervises servers, services and the gateway, and loads sample
data.
"""
