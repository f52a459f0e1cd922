"""Models that write under audit: what they are asked, how answers are read, and what the page says of them."""
