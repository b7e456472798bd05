"""Endpoints and deployments as values, and their YAML in the Azure ML CLI v2 form."""
