"""From scans to the volumes that a network takes: aligned, labelled, normalised. Imports `cohort`."""
