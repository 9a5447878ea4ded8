"""Networks, their registry, model folders, and the client of the Hugging Face Hub."""
