"""Entity fetches of concurrent requests, batched and deduplicated."""
