"""The API described from its own route table: the tables of docs/api.md and the OpenAPI document."""
