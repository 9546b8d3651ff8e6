"""Tables of arms, patients and candidates, from rows of results. Imports no other folder of the report."""
