"""The service of the calendar: when musicians are busy. It owns slots of time, not bookings."""
