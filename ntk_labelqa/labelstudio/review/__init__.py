"""The review project: what is asked there, and what people answered."""
