"""How a transition becomes deliveries to people: what is open, who waits for what, and the parts that may stop it."""
