"""What every room may use: errors and their codes, deadlines."""
