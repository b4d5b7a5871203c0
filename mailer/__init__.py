"""Mail goes out: notices rendered, sealed for each recipient alone, and handed to the relay until it takes them."""
