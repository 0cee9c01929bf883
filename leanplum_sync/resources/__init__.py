"""Kinds of resources: one file a kind, its model and what one row of it asks for."""
