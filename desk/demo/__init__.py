"""A throw-away desk with real keys and servers, and the demo on it."""
