"""The routes of identity in the common API, cut by noun. `identity_api` puts them together."""
