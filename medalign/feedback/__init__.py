"""Feedback: what people say of results, stored without audio, names or addresses, and what can be learnt from it."""
