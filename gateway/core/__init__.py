"""What every package may use: errors and their codes, the clock, the request context, envelopes, JSON and
numbers.
"""
