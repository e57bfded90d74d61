"""The commands of `akin`, one file a subject; `backend.cli` puts them together."""
