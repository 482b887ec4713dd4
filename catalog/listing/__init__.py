"""One listing at a time: read as the fields of a form, checked, written, changed on request."""
