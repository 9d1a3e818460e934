"""Comparisons with independent implementations; see README.md."""
