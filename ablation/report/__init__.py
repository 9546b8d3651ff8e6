"""From the record to tables, statistics, figures and the page. Imports `search` and below."""
