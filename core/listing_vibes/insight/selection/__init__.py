"""Lists of the explorer's pages: from their URL, as Python code, as a command, and as rows."""
