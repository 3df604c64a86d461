"""The calendar service: the times at which musicians are busy. It owns slots, not bookings."""
