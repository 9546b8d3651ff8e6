"""Labels, scores and pictures of what a network makes of scans. Imports `training` and below."""
