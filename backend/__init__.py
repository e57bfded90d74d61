"""What answers requests and owns all state."""

VERSION = "0.1.0"
"""Of Akin; pyproject.toml has the same."""
