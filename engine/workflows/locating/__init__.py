"""The steps of finding atomic columns."""
