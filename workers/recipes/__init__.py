"""Training methods, one file each: plain Python over torch and files."""
