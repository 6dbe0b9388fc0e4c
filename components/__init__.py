"""Components: the parts of the platform, one room each. A room imports only from rooms above it."""
