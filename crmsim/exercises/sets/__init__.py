"""The sets of exercises: a module each, which defines `SET`."""
