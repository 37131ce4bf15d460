"""A teacher adapted to medicine: pairs of texts that mean the same, what is trained on them, and how well it reads."""
