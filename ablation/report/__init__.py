"""From the record to tables, statistics, figures and the page. Imports `search` and below.

Its folders, the lowest first, each importing those before it only: `tables`, `statistics`, `study`,
`figures`, `page`, `checklist`; above them `write`, which puts all of it on disk and into the record.
"""
