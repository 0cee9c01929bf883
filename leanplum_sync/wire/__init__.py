"""The API's own vocabulary, as values: no HTTP, no files, no clock."""
