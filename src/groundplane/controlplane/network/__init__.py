"""Virtual networks: networks, subnets, ports and security groups."""
