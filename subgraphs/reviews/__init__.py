"""The service of reviews: ratings of completed bookings."""
