"""One OpenAI-compatible API in front of all engines of a cluster, and a chat page on it."""
