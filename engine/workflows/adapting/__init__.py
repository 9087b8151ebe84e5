"""What fine-tuning on labelled frames is made of."""
