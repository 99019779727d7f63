"""The command line: argument parsing only, one small file a verb."""
