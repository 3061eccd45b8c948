"""Groundplane turns a company's own servers into a cloud."""
