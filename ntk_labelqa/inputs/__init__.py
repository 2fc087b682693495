"""The gate of all public functions: whatever holds features or labels comes in, and its index and types go out again.

:func:`~ntk_labelqa.inputs.alignment.labelled` reads features and labels together; each alone is read by
:func:`~ntk_labelqa.inputs.features.read_features` and :func:`~ntk_labelqa.inputs.labels.read_labels`.
"""
