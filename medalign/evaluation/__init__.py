"""Arrays in, numbers out: no model and no file is touched here."""
