"""What every package may use: errors and their codes, the clock, contexts, envelopes, JSON and numbers."""
