"""Bringing SQL, blobs and galleries back into line; SQL is the truth."""
