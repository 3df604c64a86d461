"""The calendar service: the times at which musicians are busy, as slots. Bookings belong to `requests`."""
