"""Desired against observed, subject by subject: changes, actions, hazards, batches. Pure: no files, network or clock."""
