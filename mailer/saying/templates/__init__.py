"""The texts of the notices: `KIND.txt`, or `KIND.LANGUAGE.txt`; the first line is the subject."""
