"""The command line: one file a verb, each thin over a function of the library, nothing heavy imported before it is needed."""
