"""Images and texts in, un-normalised features out."""
