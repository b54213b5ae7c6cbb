"""Methods that read a customer database and nothing else, for simulated and real customers alike."""
