"""Networks as functions of tensors; they know no microscope."""
