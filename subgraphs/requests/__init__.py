"""The service of requests: what clients look for, who applies, and the bookings that come of it."""
