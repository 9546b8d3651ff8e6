"""Scans on disk: found, read, checked and split into roles. Imports no other room of the science."""
