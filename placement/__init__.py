"""What is placed where: read from running clusters, or rehearsed on throw-away ones; as a table or as a picture."""
