"""What the command does: a file for each of its words, and what they share."""
