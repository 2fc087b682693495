"""Infinite-width neural tangent kernels (NTK), a block of the Gram matrix at a time."""
