"""The fleet: clusters, providers, agents, hosts, pools, and where things are placed. The operators' own resources."""
