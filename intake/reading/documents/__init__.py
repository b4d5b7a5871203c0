"""What files say: documents and archives, each read by a library that is kept, within bounds."""
