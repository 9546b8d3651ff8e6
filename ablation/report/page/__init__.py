"""The page and the note: what a report says."""
