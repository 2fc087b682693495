"""What labels are of, and how they are given: each type of label has a file of its own here.

A control type (:mod:`.control_type`) tells what a control says: which classes it has, what a result of it means, and
how a correction is written. An item type (:mod:`.item_type`) tells what the labels are of: how it is read, cut out,
compared between annotators and shown. :mod:`.registry` lists both.
"""
