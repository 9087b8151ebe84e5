"""Frame to frame without a network: standardisation and segmentation by threshold."""
