"""Arguments, terminal, progress and exit status of the commands. Imports every other room."""
