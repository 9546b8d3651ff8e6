"""What several tests share: heads, scans, recipes, trials, records and tables, each made in a few lines."""
