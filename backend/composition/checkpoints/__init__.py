"""Published checkpoints in, model artefacts out (`docs/checkpoints.md`)."""
