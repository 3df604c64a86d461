"""The multilevel cache: policy, keys, levels, invalidation."""
