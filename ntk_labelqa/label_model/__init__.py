"""From leave-one-out predictions to the probability that a label is wrong; begin with :mod:`.label_model`."""
