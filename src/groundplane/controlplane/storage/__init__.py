"""Storage: images and volumes."""
