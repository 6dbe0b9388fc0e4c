"""Object stores, buckets, and the home of every model in them."""
