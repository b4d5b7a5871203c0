"""Speed, growth and long amounts: `make bench` and `make prove`."""
