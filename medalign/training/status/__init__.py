"""Training and measuring of the status classifier."""
