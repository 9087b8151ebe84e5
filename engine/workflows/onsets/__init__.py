"""Steps of the workflow that finds onsets: its settings, the series, the tables, the report."""
