"""A whole installation as one file, and an installation from such a file."""
