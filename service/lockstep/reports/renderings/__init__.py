"""Reports as text: the words that every rendering says alike, and Markdown."""
