"""The release gate: an audit and a policy become a verdict."""
