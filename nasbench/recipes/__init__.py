"""Recipes: the fixed training pipeline as TOML files."""
