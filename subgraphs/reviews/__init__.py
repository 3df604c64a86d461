"""The reviews service: clients rate completed bookings, and musicians have the mean of their ratings."""
