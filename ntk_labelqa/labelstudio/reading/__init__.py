"""What comes out of Label Studio: projects, exports and configs, to a data set."""
