"""The page, its sentences and the text of tables. Imports `tables`, `statistics`, `study` and `figures`."""
