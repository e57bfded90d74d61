"""Property tests say what is right, not how fast: no deadline on a machine shared with others."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
