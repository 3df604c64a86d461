"""What keeps a failing server from holding up requests: the circuit breaker."""
