"""What a trial comes to: paired statistics, the report as HTML and JSON, and the comparison of two reports."""
