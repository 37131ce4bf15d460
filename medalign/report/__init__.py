"""From an `Analysis` to what people read: tables, figures, files."""
