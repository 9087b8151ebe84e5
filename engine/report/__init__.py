"""Tables to CSV and Parquet, figures, and one self-contained page a movie."""
