"""Sealed tables with their datasheets and licences."""
