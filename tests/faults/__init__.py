"""What happens when something is killed, fills up or goes away in the middle of a sweep."""
