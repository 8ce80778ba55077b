"""What a mail says and how it is made: headers, text and HTML of a message to people."""
