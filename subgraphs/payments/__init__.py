"""The payments service: clients pay into escrows, and a ledger with double entries records all movements."""
