"""The published algorithms written down plainly, to be measured against: correct, and no faster
than their descriptions are."""
