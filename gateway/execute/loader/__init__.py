"""Batches and deduplicates the entity fetches of concurrent requests; `loader.Loader` is a transport."""
