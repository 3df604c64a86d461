"""The requests service: clients' requests for musicians, the applications to them, and the bookings."""
