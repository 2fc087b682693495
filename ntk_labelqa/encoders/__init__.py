"""Items to feature arrays; see :func:`ntk_labelqa.encoders.choose.encode`."""
