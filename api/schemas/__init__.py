"""Schemas of what the doors take and give: queries, and the shapes that OpenAPI shows."""
