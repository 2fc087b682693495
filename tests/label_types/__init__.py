"""Label types."""
