"""JSON Schemas of what the API answers, by subject.

A schema with a title becomes a component of the OpenAPI document.  Objects may grow: other keys than those named
are allowed everywhere.
"""
