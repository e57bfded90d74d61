"""The vector store: a port and its two adapters, Qdrant Edge and a Qdrant server."""
