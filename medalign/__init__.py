"""MedAlign: what was said in a consultation, what it means, and where to hear it. Research software."""

__version__ = "0.1.0"
