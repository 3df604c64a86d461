"""The service of payments: what clients pay waits in escrow, and a ledger that always balances says where
all money is.
"""
