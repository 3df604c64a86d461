"""What every service of the street is built from: its door, its database, its events, its callers."""
